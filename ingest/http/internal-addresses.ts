import { BlockList, isIP } from "node:net";

/** Networks that are not of the public Internet: loopback, private, link-local (metadata services), multicast, reserved. */
const IPV4: readonly [address: string, prefix: number][] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];
const IPV6: readonly [address: string, prefix: number][] = [
  // The unspecified address, loopback, and IPv4 addresses in the former writing.
  ["::", 96],
  ["64:ff9b:1::", 48],
  ["100::", 64],
  // Tunnels: they lead to any IPv4 address.
  ["2001::", 32],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
];
/** IPv6 addresses that stand for the IPv4 address at their end: mapped ones, and those of NAT64. */
const IPV4_INSIDE = ["::ffff:", "64:ff9b::"];

const internal = new BlockList();
for (const [address, prefix] of IPV4) {
  internal.addSubnet(address, prefix, "ipv4");
  for (const head of IPV4_INSIDE) internal.addSubnet(`${head}${address}`, 96 + prefix, "ipv6");
}
for (const [address, prefix] of IPV6) internal.addSubnet(address, prefix, "ipv6");

/** Whether an IP address, in brackets or not, is not of the public Internet. Names are not addresses. */
export function isInternalAddress(address: string): boolean {
  const bare = address.replace(/^\[|\]$|%.*$/g, "");
  const version = isIP(bare);
  return version !== 0 && internal.check(bare, version === 4 ? "ipv4" : "ipv6");
}
