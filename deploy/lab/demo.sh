#!/usr/bin/env bash
# make demo: from this machine to an answered picture. Progress on standard error, the answer on standard output.
set -euo pipefail
cd "$(dirname "$0")/../.."
casemate=.venv/bin/casemate
inventory=inventory/lab.py

step() { printf '\n== %s\n' "$*" >&2; }

step "A lab host"
"$casemate" lab up
step "Deploy to it over SSH (casemate deploy $inventory)"
"$casemate" deploy "$inventory" >&2
step "Its state (casemate status $inventory)"
"$casemate" status "$inventory" >&2
step "Ask about a picture (casemate ask $inventory service/micro/demo.png '...')"
question=$(.venv/bin/python -c 'import json; print(json.load(open("service/micro/demo.json"))["en"]["question"])')
printf 'question: %s\nanswer:   ' "$question" >&2
"$casemate" ask "$inventory" service/micro/demo.png "$question"
step "Is it locked in? (casemate verify $inventory)"
"$casemate" verify "$inventory"
step "The lab stays up: casemate lab shell lab1; casemate lab down"
