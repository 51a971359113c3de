#!/bin/bash
# SPDX-License-Identifier: MIT
# In a mount namespace of its own: hides the compiler, pkg-config, all headers
# and the system's copies of what the wheel bundles, then delivers one event.
#
#   unshare --mount bash bare_machine.sh python
set -euo pipefail
python=$1
folder=$(mktemp -d)
# Started first: Redis wants the libraries that are hidden then.
redis-server --port 0 --unixsocket "$folder/redis.sock" --save "" --dir "$folder" >/dev/null &
server=$!
trap 'kill "$server"; rm -rf "$folder"' EXIT
for _ in {1..200}; do
    [ -S "$folder/redis.sock" ] && break
    sleep 0.05
done
[ -S "$folder/redis.sock" ]

hidden=0
for file in /usr/lib/*-linux-gnu*/lib{ssl,hiredis,jwt,jansson,b64}.so* \
            /usr/bin/{gcc,gcc-1*,cc,c++,g++,clang*,ld.bfd,ld.gold,as,make} \
            /usr/bin/{pkg-config,pkgconf}; do
    [ -f "$file" ] || continue
    mount --bind /dev/null "$file" 2>/dev/null && hidden=$((hidden + 1))
done
mount -t tmpfs none /usr/include
[ "$hidden" -gt 0 ]
if gcc --version >/dev/null 2>&1; then
    echo "gcc is still there" >&2
    exit 1
fi
"$python" - "$folder/redis.sock" <<'PY'
import socket, sys
from headrace import EventSink, Key, TokenVerifier
sink = EventSink(f"unix://{sys.argv[1]}")
assert sink.emit("bare", {"n": 1})
assert sink.flush(30) == 0, sink.stats()
sink.close()
engines = TokenVerifier._engines()
assert engines["openssl"].startswith("AWS-LC "), engines
assert "libjwt" in engines, engines
mapped = {line.split("/", 1)[1].strip() for line in open("/proc/self/maps") if "/" in line}
ours = [path for path in mapped if any(f"/lib{name}" in path for name in ("hiredis", "jwt", "ssl"))]
assert len(ours) >= 3 and all("headrace.libs" in path for path in ours), ours
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
    client.sendall(b"XLEN headrace:events\r\n")
    assert client.recv(100) == b":1\r\n"
PY
echo "one event delivered, $hidden files hidden"
