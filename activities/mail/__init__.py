"""Mail to people: what is written, how it is sent, and a mailbox that catches it on laptops and in tests."""
