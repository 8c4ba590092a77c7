#!/bin/sh
# Verifies a webhook: verify.sh SECRET ID TIMESTAMP SIGNATURES [NOW] < body
# Ends with 0 if the body, the bytes as they arrived, was signed with SECRET within five minutes. For a look by hand:
# while openssl runs, other users of the machine see the key in the list of processes.
set -euf
secret=$1 id=$2 timestamp=$3 signatures=$4 now=${5:-$(date +%s)}
case $timestamp in
"" | *[!0-9]* | ???????????*) echo "the timestamp is no Unix time" >&2 && exit 1 ;;
esac
if [ "$now" -gt $((timestamp + 300)) ] || [ "$now" -lt $((timestamp - 300)) ]; then
	echo "the message is too old, or from the future" >&2 && exit 1
fi
key=$(printf %s "${secret#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d " \n")
digest=$({ printf %s.%s. "$id" "$timestamp" && cat; } |
	openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
for each in $signatures; do
	if [ "$each" = "v1,$digest" ]; then exit 0; fi
done
echo "no signature is right" >&2
exit 1
