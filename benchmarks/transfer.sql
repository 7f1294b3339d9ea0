-- One transfer of pgledger, from a wallet to what it has used; both are accounts of the same customer.
\set chosen random(1, :wallets)
\set number case when :by_chance = 1 then :chosen else :client_id % :wallets + 1 end
SELECT transfer.id FROM pairs, LATERAL pgledger_create_transfer(pairs.wallet, pairs.used, 1.5) transfer
WHERE pairs.number = :number;
