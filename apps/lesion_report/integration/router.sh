#!/bin/sh
# A DICOM router's step, as dcmtk's storescp calls it with the folder of a study that has come in whole:
#   storescp 11112 --output-directory IN --sort-on-study-uid study --eostudy-timeout 60 --exec-on-eostudy "router.sh #p"
# FDGLUNG_COMMAND is the application up to its options, PACS "AETITLE HOST PORT". Research software. Not a medical device.
set -eu
study=$1
out=$(mktemp -d "${TMPDIR:-/tmp}/fdglung-XXXXXX")
trap 'rm -rf "$out"' EXIT
# Unquoted on purpose: both are lists of words.
code=0
$FDGLUNG_COMMAND -i "$study" -o "$out/report" || code=$?
if [ "$code" -ne 0 ]; then
    # The reason, without anything of the patient, stays beside the study.
    [ ! -f "$out/report/status.json" ] || cp "$out/report/status.json" "$study.status.json"
    exit "$code"
fi
set -- $PACS
storescu -R -aec "$1" "$2" "$3" "$out"/report/*.dcm
cp "$out/report/status.json" "$study.status.json"
