#!/bin/sh
# The test of `total`.
set -eu
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

[ "$(./total list.csv)" = 13.74 ] || { echo 'the list does not add up'; exit 1; }
echo 'ok: the list adds up'

echo 'tea,cheap' >"$scratch/bad.csv"
if ./total "$scratch/bad.csv" 2>"$scratch/errors"; then echo 'a bad price was taken'; exit 1; fi
grep -q 'bad.csv:1: not a price' "$scratch/errors"
echo 'ok: a bad price is told with its line'
