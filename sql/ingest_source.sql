-- Sources: which options foreign servers and user mappings of trident_sftp take,
-- and that secrets are refused where everybody could read them.
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp;
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host '');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', port '0');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', port '22x');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', compression 'perhaps');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', connections '17');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', hots 'x');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', password 'not shown');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', private_key 'not shown');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', passphrase 'not shown');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', "user" 'u');
ALTER FOREIGN DATA WRAPPER trident_sftp OPTIONS (ADD host 'h');

-- Host keys: fingerprints, public keys, lines of known_hosts; nothing else.
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', host_key 'anything');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', host_key 'SHA256:tooshort');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', host_key 'ssh-ed25519');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', host_key 'ssh-ed25519 AAAA');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', host_key 'ecdsa-sha2-nistp256 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', host_key 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', host_key '@revoked h ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', host_key 'h,SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', host_key ' , ');
CREATE SERVER s FOREIGN DATA WRAPPER trident_sftp OPTIONS (host 'h', host_key
	E'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA you@there\n[h]:22 ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nh,192.0.2.7,[2001:db8::7]:22 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n256 SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= h (ED25519)\n');
ALTER SERVER s OPTIONS (ADD port '2222', ADD connections '4', ADD files '64', ADD bandwidth '500', ADD compression 'on');

-- User mappings.
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (host 'h');
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (password '');
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (private_key 'a', private_key_file 'b');
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS ("user" 'u');
SELECT umoptions FROM pg_user_mappings WHERE srvname = 's';
SELECT trident_sftp_stat('s', '.');
SET client_min_messages = warning;
CREATE USER MAPPING IF NOT EXISTS FOR CURRENT_USER SERVER s OPTIONS ("user" 'other');
SELECT count(*) FROM pg_user_mappings WHERE srvname = 's';

-- What is no source.
SELECT trident_sftp_stat('none', '.');
CREATE FOREIGN DATA WRAPPER other;
CREATE SERVER other FOREIGN DATA WRAPPER other;
SELECT trident_sftp_list('other', '.');
SELECT trident_sftp_confirm('other');
CREATE FOREIGN TABLE photos (name text) SERVER s;
SELECT * FROM photos;
SELECT trident_sftp_host_key('127.0.0.1', 0);
SELECT trident_sftp_read('s', 'f', -1);

-- A role other than the owner agrees to where its credentials go.
CREATE ROLE regress_ingest_guest;
GRANT USAGE ON FOREIGN SERVER s TO regress_ingest_guest;
CREATE USER MAPPING FOR regress_ingest_guest SERVER s OPTIONS ("user" 'g');
ALTER SERVER s OPTIONS (SET port '2223');
SET ROLE regress_ingest_guest;
SELECT trident_sftp_stat('s', '.');
ALTER USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (SET confirmed 'by hand');
SELECT trident_sftp_confirm('s') LIKE 'h:2223 SHA256:%' AS confirmed;
SELECT trident_sftp_stat('s', '.');
ALTER USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (SET "user" 'g2', ADD password 'p');
ALTER USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (DROP confirmed);
SELECT string_agg(split_part(o, '=', 1) || ' ' || left(split_part(o, '=', 2), 6), ', ' ORDER BY o)
	FROM pg_user_mappings, unnest(umoptions) o WHERE srvname = 's' AND usename = CURRENT_USER;
DROP USER MAPPING FOR CURRENT_USER SERVER s;
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS ("user" 'g', confirmed 'x');
SELECT trident_sftp_confirm('s');
RESET ROLE;

DROP FOREIGN TABLE photos;
DROP SERVER s CASCADE;
DROP FOREIGN DATA WRAPPER other CASCADE;
DROP ROLE regress_ingest_guest;
