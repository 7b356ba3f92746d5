/** Verifies a bundle, or one line of it, with openssl and the tools of every Unix: a program that is not ours. */
export const VERIFICATION_SCRIPT = String.raw`#!/bin/sh
# Verifies the bundle in this folder with openssl. "sh verify.sh" verifies every line, "sh verify.sh 17" line 17.
# Exit code 0: every line is one that a signed checkpoint covers; 1: a fault; 2: no fault, but lines without a checkpoint.
set -u
cd "$(dirname "$0")" || exit 1
faults=0
uncovered=0
fault() { echo "FAULT: $1"; faults=$((faults + 1)); }
text() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
octets() { printf '%s=' "$1" | tr -- '-_' '+/' | openssl base64 -d -A; }
member() { printf '%s\n' "$2" | sed -n "s/.*\"$1\":\"\([A-Za-z0-9_-]*\)\".*/\1/p"; }

while read -r sum name; do
  found=$(openssl dgst -sha256 -r "$name" | cut -d ' ' -f 1)
  [ "$found" = "$sum" ] || fault "$name is not the file of SHA256SUMS"
done < SHA256SUMS

for signed in checkpoints/*.json; do
  [ -e "$signed" ] || break
  key=$(member key "$(cat "$signed")")
  openssl dgst -sha256 -verify "keys/$key.pem" -signature "\${signed%.json}.sig" "$signed" > /dev/null 2>&1 ||
    fault "$signed is not signed by keys/$key.pem"
done

for kept in certificates/*.pem; do
  [ -e "$kept" ] || break
  digits=$(openssl x509 -in "$kept" -outform DER 2> /dev/null | openssl dgst -sha256 -r | cut -d ' ' -f 1)
  [ "certificates/$digits.pem" = "$kept" ] || fault "$kept is another certificate than its name says"
done

line() {
  proof=$(sed -n "$1p" proofs.jsonl)
  hash=$(sed -n "$1p" lines.jsonl | tr -d '\n' | openssl dgst -sha256 -binary | text)
  [ "$hash" = "$(member hash "$proof")" ] || fault "line $1 has another hash than its proof says"
  checkpoint=$(member checkpoint "$proof")
  if [ -z "$checkpoint" ]; then uncovered=$((uncovered + 1)); return; fi
  for step in $(printf '%s\n' "$proof" | grep -o '\["[a-z]*","[^"]*"\]' | tr -d '[]"'); do
    other=\${step#*,}
    case $step in
      left,*) hash=$({ printf '\001'; octets "$other"; octets "$hash"; } | openssl dgst -sha256 -binary | text) ;;
      *) hash=$({ printf '\001'; octets "$hash"; octets "$other"; } | openssl dgst -sha256 -binary | text) ;;
    esac
  done
  root=$(member root "$(cat "checkpoints/$checkpoint.json")")
  [ "$hash" = "$root" ] || fault "line $1 does not lead to the root of checkpoints/$checkpoint.json"
}

if [ $# -gt 0 ]; then
  for number in "$@"; do line "$number"; done
  lines=$#
else
  lines=$(grep -c '' lines.jsonl)
  number=1
  while [ "$number" -le "$lines" ]; do line "$number"; number=$((number + 1)); done
fi
echo "$lines lines verified, $uncovered without a checkpoint, $faults faults"
[ "$faults" -eq 0 ] || exit 1
[ "$uncovered" -eq 0 ] || exit 2
`.replaceAll('\\${', '${');
