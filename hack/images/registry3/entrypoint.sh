#!/bin/sh
# As in the official image: a configuration file means "serve it"; a subcommand or a flag is the registry's own; anything
# else is a command to run.
set -e
case "$1" in
*.yml | *.yaml) set -- registry serve "$@" ;;
serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac
exec "$@"
