#!/bin/sh
# Makes the secrets of docker-compose.yml, profile ha, in a folder (./deployment/secrets), where there are none yet.
# Run it as root: each file belongs to the user of its container and is read by no one else.
set -eu
folder=${1:-./deployment/secrets}
server=1000:1000
redis=999:999

umask 077
mkdir -p "$folder"
# The containers look up files here by their names.
chmod 711 "$folder"
if [ -e "$folder/redis-users.acl" ]; then
  echo "$folder has secrets already: nothing is changed" >&2
  exit 1
fi

random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
put() {
  cat >"$folder/$2"
  chmod 400 "$folder/$2"
  chown "$1" "$folder/$2"
}

password=$(random)
replica=$(random)
sentinel=$(random)

head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' | put "$server" store-secret
printf 'tallystick' | put "$server" redis-user
printf '%s' "$password" | put "$server" redis-password
put "$redis" redis-users.acl <<ACL
user default off
user tallystick on >$password ~tallystick:* -@all +evalsha +eval +hmget +zrange +wait +asking +ping +hello +client|setname +info +cluster|slots +readonly +readwrite +hset +hdel +pexpire +persist +zadd +zscore +zrevrange +zremrangebyscore +zrem +incrby +set +setbit +getbit +get +pttl
user replica on >$replica -@all +psync +replconf +ping
user sentinel on >$sentinel allchannels -@all +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish +info +client|setname +client|kill +script|kill
ACL
put "$redis" redis-replication.conf <<CONF
masteruser replica
masterauth $replica
CONF
put "$redis" sentinel.conf <<CONF
sentinel auth-user bank sentinel
sentinel auth-pass bank $sentinel
CONF
