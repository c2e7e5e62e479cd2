const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/;

/** More digits than any counter or time has. */
const DIGITS = 64;

interface Decimal {
  isNegative: boolean;
  whole: string;
  fraction: string;
}

function parseDecimal(text: string): Decimal | null {
  const [, sign, digits, decimals = "", exponent = "0"] = NUMBER.exec(text) ?? [];
  if (digits === undefined) return null;
  const point = digits.length + Number(exponent);
  const all = `${"0".repeat(Math.max(0, -point))}${digits}${decimals}`.padEnd(Math.max(point, 0), "0");
  const whole = all.slice(0, Math.max(point, 0)).replace(/^0+(?=\d)/, "");
  const fraction = all.slice(Math.max(point, 0)).replace(/0+$/, "");
  if (whole.length > DIGITS) return null;
  const isNegative = sign === "-" && /[1-9]/.test(whole + fraction);
  return { isNegative, whole: whole === "" ? "0" : whole, fraction };
}

/** A text that sorts as the numbers do, every digit kept; null when it is none, or one beyond 64 digits. */
export function decimalOrder(text: string): string | null {
  const decimal = parseDecimal(text);
  if (decimal === null) return null;
  const digits = `${decimal.whole.padStart(DIGITS, "0")}.${decimal.fraction}`;
  if (!decimal.isNegative) return `1${digits}`;
  return `0${digits.replace(/\d/g, (digit) => String(9 - Number(digit)))}~`;
}

/** Exactly. Both must be numbers. */
export function subtractDecimal(text: string, amount: number): string {
  const [one, other] = [parseDecimal(text), parseDecimal(String(amount))];
  if (one === null || other === null) return text;
  const scale = Math.max(one.fraction.length, other.fraction.length);
  const scaled = ({ isNegative, whole, fraction }: Decimal) =>
    BigInt(`${isNegative ? "-" : ""}${whole}${fraction.padEnd(scale, "0")}`);
  const difference = scaled(one) - scaled(other);
  const digits = String(difference < 0n ? -difference : difference).padStart(scale + 1, "0");
  const sign = difference < 0n ? "-" : "";
  const whole = digits.slice(0, digits.length - scale);
  return scale === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(digits.length - scale)}`;
}
