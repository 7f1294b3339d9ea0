"""The sandbox payment provider: a payment company in one process, with memory, that moves no money.

Scrip talks to it over HTTP as it talks to a real one, so everything a real one does to its clients can be made to
happen here on purpose. Run it as `python -m activities.gateways.sandbox_provider`; it keeps its payments in one
SQLite file and may be killed at any moment without forgetting what it has answered.

What a payment does is chosen by its method token. A token may carry a suffix after a colon ("pm_success:acme-1"), so
that many distinct methods exist.

| method                           | what happens                                                                    |
|----------------------------------|---------------------------------------------------------------------------------|
| `pm_success`                     | captured at once                                                                |
| `pm_declined_insufficient_funds` | declined, `insufficient_funds`                                                  |
| `pm_declined_expired_card`       | declined, `expired_card`                                                        |
| `pm_declined_lost_card`          | declined, `lost_card`                                                           |
| `pm_declined_do_not_honor`       | declined, `do_not_honor`                                                        |
| `pm_declined_fraud`              | declined, `fraudulent`                                                          |
| `pm_three_d_secure`              | the buyer approves or refuses on the page `/3ds/{id}`                           |
| `pm_late`                        | processing, captured after SANDBOX_LATE_SECONDS                                 |
| `pm_late_decline`                | processing, declined (`insufficient_funds`) after SANDBOX_LATE_SECONDS          |
| `pm_silent`                      | processing for ever, until cancelled                                            |
| `pm_timeout_after_charge`        | captured, but the first answer is withheld: the connection closes without one   |
| `pm_fault_before_charge`         | the first attempt answers 503 and charges nothing, the next one captures        |
| `pm_duplicate_events`            | captured at once; each event is sent three times                                |
| `pm_reordered_events`            | captured at once; older `payment.processing` and `payment.declined` arrive late |
| `pm_lost_events`                 | processing, captured after SANDBOX_LATE_SECONDS; no event is ever sent          |
| `pm_uncancellable`               | processing; a cancellation answers CAPTURED, because the capture won the race   |

It does not model fees, currencies' limits, settlement or cards: no card number ever reaches it.
"""
