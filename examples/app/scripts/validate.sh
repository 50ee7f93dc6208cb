#!/bin/sh
# The deployment goes on only when the application answers with the version that was just installed.
set -eu
exec "$CROSSFADE" demo-app check --url "http://$APP_LISTEN/version" --expect "$(cat "$APP_HOME/site/VERSION")"
