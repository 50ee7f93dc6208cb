#!/bin/sh
# A bundle's `files` section installs to one place, the same on every host. Here several hosts share a machine, so each gets its copy.
set -eu
bundle=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$APP_HOME"
rm -rf "$APP_HOME/site"
cp -R "$bundle/site" "$APP_HOME/site"
