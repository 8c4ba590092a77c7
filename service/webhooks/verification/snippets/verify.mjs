// Verifies a webhook; Node's own modules only.
import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * Throws unless `body`, a Buffer of the bytes as they arrived, was signed with `secret` within five minutes.
 * `headers` are looked up by their lower-case names.
 */
export function verify(secret, headers, body, now = Date.now() / 1000) {
  const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map((name) => headers[`webhook-${name}`] ?? "");
  if (!/^[0-9]+$/.test(timestamp) || Math.abs(now - Number(timestamp)) > 300) {
    throw new Error("the message is too old, or from the future");
  }
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const digest = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${digest}`);
  const right = (each) => each.length === expected.length && timingSafeEqual(each, expected);
  if (!signatures.split(" ").some((each) => right(Buffer.from(each)))) {
    throw new Error("no signature is right");
  }
}
