/** Where a click on an e-mail address leads: RFC 6068. Whatever has a meaning of its own in an address is escaped. */
export function mailAddress(email: string): string {
  const at = email.lastIndexOf("@");
  if (at < 0) return `mailto:${encodeURIComponent(email)}`;
  return `mailto:${encodeURIComponent(email.slice(0, at))}@${encodeURIComponent(email.slice(at + 1))}`;
}
