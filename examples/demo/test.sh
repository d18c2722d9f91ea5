#!/bin/sh
# Tests greet.sh.
failed=0
expect() {
  said=$(./greet.sh $2)
  if [ "$said" = "$1" ]; then
    printf '\033[32mok\033[0m      greet %s\n' "$2"
  else
    printf '\033[31mFAILED\033[0m  greet %s\n  expected: %s\n  said:     %s\n' "$2" "$1" "$said" >&2
    failed=1
  fi
}
expect "Hello, world!"
expect "Hello, Ada!" Ada
exit $failed
