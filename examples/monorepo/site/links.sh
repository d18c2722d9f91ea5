#!/bin/sh
# Follows every link of the built site: links.sh TARGET.
set -eu
cd "$1"
broken=0
for page in *.html; do
  for link in $(grep -o 'href="[^"]*"' "$page" | cut -d'"' -f2); do
    [ -e "$link" ] || { echo "$page links to $link, which is not there"; broken=1; }
  done
done
exit "$broken"
