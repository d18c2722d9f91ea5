#!/bin/sh
# Greets whoever is named, more warmly.
echo "Hello dear ${1:-world}!"
