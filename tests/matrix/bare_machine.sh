#!/bin/bash
# SPDX-License-Identifier: MIT
# In a mount namespace of its own: hides the compiler, pkg-config, all headers
# and the system's copies of what the wheel bundles, then delivers one event.
#
#   unshare --mount bash bare_machine.sh python
set -euo pipefail
python=$1
hidden=0
for file in /usr/lib/*-linux-gnu*/lib{ssl,hiredis,jwt,jansson}.so* \
            /lib/*-linux-gnu*/lib{ssl,hiredis,jwt,jansson}.so* \
            /usr/bin/{gcc,cc,c++,g++,clang,ld,make,pkg-config,pkgconf}*; do
    [ -f "$file" ] || continue
    mount --bind /dev/null "$file" 2>/dev/null && hidden=$((hidden + 1))
done
mount -t tmpfs none /usr/include
[ "$hidden" -gt 0 ]
! gcc --version 2>/dev/null
folder=$(mktemp -d)
trap 'kill "$server"; rm -rf "$folder"' EXIT
"$python" -c '
import importlib.metadata as m
import penstock._core as core
print("files:", len(m.files("penstock")))
'
redis-server --port 0 --unixsocket "$folder/redis.sock" --save "" --dir "$folder" >/dev/null &
server=$!
while [ ! -S "$folder/redis.sock" ]; do sleep 0.05; done
"$python" - "unix://$folder/redis.sock" <<'PY'
import sys
from penstock import EventSink, Key, TokenVerifier
sink = EventSink(sys.argv[1])
assert sink.emit("bare", {"n": 1})
assert sink.flush(5) == 0, sink.stats()
sink.close()
engines = TokenVerifier._engines()
assert engines["openssl"].startswith("AWS-LC "), engines
assert "libjwt" in engines, engines
mapped = {line.split("/", 1)[1].strip() for line in open("/proc/self/maps") if "/" in line}
ours = [path for path in mapped if any(f"/lib{name}" in f"/{path}" for name in ("hiredis", "jwt"))]
assert ours and all("penstock.libs" in path for path in ours), ours
PY
[ "$(redis-cli -s "$folder/redis.sock" XLEN events)" = 1 ]
echo "one event delivered, $hidden files hidden"
