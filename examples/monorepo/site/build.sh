#!/bin/sh
# Makes a page of HTML from each page of text: build.sh TARGET.  `# Title` is a heading, `[text](page)` a link, an empty line ends a paragraph.
set -eu
target=$1
cd "$(dirname "$0")"
mkdir -p "$target"

for page in pages/*.txt; do
  name=$(basename "$page" .txt)
  sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' \
    -e 's|\[\([^]]*\)\](\([a-z]*\))|<a href="\2.html">\1</a>|g' \
    -e 's|^# \(.*\)|<h1>\1</h1>|' -e 's|^$|<p>|' "$page" >"$target/$name.html"
  echo "$target/$name.html"
done
