import { faker } from "@faker-js/faker/locale/en";
import type { Random } from "./random.ts";

const { person, word, music } = faker.definitions;
const FIRST_NAMES = { Female: person.first_name.female ?? [], Male: person.first_name.male ?? [] };
const LAST_NAMES = person.last_name.generic ?? [];
const ANY_GENDERS = person.gender;
const MAIL_DOMAINS = ["example.com", "example.org", "example.net"];
const BAND_FORMS: ((adjective: string, noun: string) => string)[] = [
  (adjective, noun) => `The ${adjective} ${noun}s`,
  (adjective, noun) => `${adjective} ${noun}`,
  (_, noun) => `Les ${noun}s`,
  (adjective, noun) => `${noun} & the ${adjective}`,
];
const ALBUM_FORMS: ((adjective: string, noun: string) => string)[] = [
  (adjective, noun) => `${adjective} ${noun}`,
  (_, noun) => `${noun} Sessions`,
  (_, noun) => `Live at the ${noun}`,
  (adjective) => `Déjà ${adjective}`,
];

/** Half of all artists are people, half are bands. */
export function drawArtistName(random: Random): string {
  if (random.chance(0.5)) return drawPersonName(random);
  return random.pick(BAND_FORMS)(drawWord(word.adjective, random), drawWord(word.noun, random));
}

export function drawAlbumName(random: Random): string {
  return random.pick(ALBUM_FORMS)(drawWord(word.adjective, random), drawWord(word.noun, random));
}

/** Some songs carry a title that many artists have recorded. */
export function drawSongName(random: Random): string {
  if (random.chance(0.3)) return random.pick(music.song_name);
  return `${drawWord(word.adjective, random)} ${drawWord(word.noun, random)}`;
}

export function drawPersonName(random: Random): string {
  const names = random.chance(0.5) ? FIRST_NAMES.Female : FIRST_NAMES.Male;
  return `${random.pick(names)} ${random.pick(LAST_NAMES)}`;
}

export interface Person {
  first_name: string;
  last_name: string;
  email: string;
  gender: string;
}

export function drawPerson(random: Random): Person {
  const sex = random.chance(0.5) ? "Female" : "Male";
  const first_name = random.pick(FIRST_NAMES[sex]);
  const last_name = random.pick(LAST_NAMES);
  const mailbox = `${first_name}.${last_name}`.toLowerCase().replace(/[^a-z.]/g, "");
  return {
    first_name,
    last_name,
    email: `${mailbox}${random.integer(1, 999)}@${random.pick(MAIL_DOMAINS)}`,
    gender: random.chance(0.05) ? random.pick(ANY_GENDERS) : sex,
  };
}

function drawWord(words: readonly string[], random: Random): string {
  const text = random.pick(words);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
