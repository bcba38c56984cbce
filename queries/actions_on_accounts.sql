-- What was decided about accounts before, by whom, and whether it was taken back.
-- parameter accounts: list[str]        account ids
-- column subject: str                  the account
-- column rung: str
-- column policy_clause: str
-- column actor: str
-- column decided_at: datetime
-- column reversed_at: datetime         null = it stands
select subject, rung, policy_clause, actor, decided_at, reversed_at
from enforcement
where subject = any($accounts)
order by decided_at, subject, rung
