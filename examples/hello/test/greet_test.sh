#!/bin/sh
# The test of `greet`: each case is a command and the output it must give.
set -eu
cd "$(dirname "$0")/.."
failed=0

expect() { # expect OUTPUT COMMAND…
  wanted=$1
  shift
  got=$("$@" 2>&1) || true
  if [ "$got" = "$wanted" ]; then
    echo "ok    $*"
  else
    echo "wrong $*: expected '$wanted', got '$got'"
    failed=1
  fi
}

expect 'Hello, world!' env -u GREETING ./greet
expect 'Hello, Ada!' env GREETING=Hello ./greet Ada
expect 'Ahoy, Grace Hopper!' env GREETING=Ahoy ./greet 'Grace Hopper'
expect 'greet 1.0' ./greet --version
expect 'greet: unknown option -x' ./greet -x

exit "$failed"
