INSERT INTO users (tenant_id, email, name, password_hash, role)
VALUES (%(tenant_id)s, %(email)s, 'Administrator', %(password_hash)s, 'admin')
