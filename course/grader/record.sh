#!/bin/sh
# record.sh FILE COMMAND...: writes the command's words to FILE, a line each and files by their full path, then runs it.
# The build starts the probe's compiler and linker this way, so that students' files are compiled with the same words.
file=$1; shift
mkdir -p "$(dirname "$file")"
for word in "$@"; do
  case "$word" in
    /*|-*) ;;
    *) [ -e "$word" ] && word=$(realpath "$word") ;;
  esac
  printf '%s\n' "$word"
done > "$file.new"
mv "$file.new" "$file"
exec "$@"
