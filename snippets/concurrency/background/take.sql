UPDATE jobs
SET tries = tries + 1, due = now() + interval '1 minute' * 2 ^ tries
WHERE id = (
    SELECT id FROM jobs
    WHERE due <= now() AND tries < 10
    ORDER BY due
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING id, email
