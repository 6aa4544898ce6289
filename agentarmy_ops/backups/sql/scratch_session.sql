-- What about the session that restores would make a good backup look bad.
SELECT
    current_setting('lc_messages') AS lc_messages,
    current_user::text AS role,
    EXISTS (
        SELECT FROM pg_default_acl WHERE defaclrole = current_user::regrole
    ) AS has_default_privileges
