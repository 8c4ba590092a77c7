// Package webhooks verifies webhooks; standard library only.
package webhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Verify returns nil if body, the bytes as they arrived, was signed with secret within five minutes. The other
// arguments are the headers webhook-id, webhook-timestamp and webhook-signature, and time.Now().
func Verify(secret, id, timestamp, signatures string, body []byte, now time.Time) error {
	sent, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || sent < now.Unix()-300 || sent > now.Unix()+300 {
		return errors.New("the message is too old, or from the future")
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for _, each := range strings.Fields(signatures) {
		if hmac.Equal([]byte(each), expected) {
			return nil
		}
	}
	return errors.New("no signature is right")
}
