-- Answers kept so far may hold secrets, and stand under names that anybody could guess. They were for
-- a day at most; a retry across this change is carried out anew.

DELETE FROM idempotency;
