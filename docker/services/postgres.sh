#!/bin/sh
# A PostgreSQL server with the user and the database that the nodes ask for; the password is in /run/password.
set -eu
data=/var/lib/postgresql/data/main
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -1)
if [ ! -e "$data/PG_VERSION" ]; then
	"$bin/initdb" -D "$data.new" -U starling -A scram-sha-256 --pwfile=/run/password -E UTF8 --locale=C
	echo "host all all all scram-sha-256" >>"$data.new/pg_hba.conf"
	echo "CREATE DATABASE starling;" | "$bin/postgres" --single -D "$data.new" postgres >/dev/null
	mv "$data.new" "$data"
fi
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c max_connections=500
