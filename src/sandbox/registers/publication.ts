import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { replaceFile } from '../../files/created-file.ts';
import { organizationIdentifierOf } from '../pki/tpps.ts';
import { type CertificateFiles, pathsOf } from '../sandbox-paths.ts';
import { entityRecord, writeBulkFile } from './eba-writer.ts';
import { entityOf, EU_TPP_PLANS, QTSP_PLANS, type QtspPlan, TERRITORIES } from './register-plans.ts';
import {
  type ListSigner,
  type WrittenList,
  type WrittenService,
  writeTrustedList,
} from './trusted-list-writer.ts';

const instant = z.iso.datetime().transform((text) => new Date(text));
const stateSchema = z.strictObject({
  /** Base URL of the lists. */
  listsUrl: z.string(),
  /** Every authorisation begins then. */
  since: instant,
  nextUpdate: instant,
  /** Of the national lists that were published last. */
  sequenceNumber: z.int(),
  /** Organization identifier → when its authorisation was withdrawn. */
  withdrawnTpps: z.record(z.string(), instant),
  /** Name of a QTSP → when its service was withdrawn. */
  withdrawnIssuers: z.record(z.string(), instant),
  /** Territories whose list is served with a change that its signer never signed. */
  forgedLists: z.array(z.string()),
});

/** The facts that the registers of a sandbox publish. */
export type RegistersState = z.infer<typeof stateSchema>;

const copySchema = z.strictObject({ name: z.string(), digest: z.string(), size: z.int(), at: instant });

/** The newest copy of the sandbox's EBA register. */
export type PublishedCopy = z.infer<typeof copySchema>;

const EBA_COPY = 'eba-register.json';
/** A reader of the file metadata may still ask for the copy before. */
const KEPT_ZIPS = 2;
const DAY_SECONDS = 86_400;

export async function readRegistersState(folder: string): Promise<RegistersState> {
  return parseRegistersState(await readFile(pathsOf(folder).registers.state, 'utf8'));
}

export function parseRegistersState(text: string): RegistersState {
  return stateSchema.parse(JSON.parse(text));
}

export async function readPublishedCopy(folder: string): Promise<PublishedCopy> {
  return copySchema.parse(JSON.parse(await readFile(pathsOf(folder).registers.published(EBA_COPY), 'utf8')));
}

/** Whether a name is that of a bulk file of the register. */
export function isBulkFile(name: string): boolean {
  return /^download-PSDMD-\d{14}-[0-9a-f]{8}\.zip$/.test(name);
}

/** Publishes the first copies of the registers. */
export async function publishFirst(
  folder: string,
  { at, ...facts }: Pick<RegistersState, 'listsUrl' | 'since' | 'nextUpdate'> & { readonly at: Date },
): Promise<void> {
  const nobody = { withdrawnTpps: {}, withdrawnIssuers: {}, forgedLists: [] };
  const state = { ...facts, ...nobody, sequenceNumber: 1 };
  await mkdir(pathsOf(folder).registers.published(''), { recursive: true, mode: 0o700 });
  await publishListOfLists(folder, state, at);
  await publish(folder, state, at);
}

/** Changes the facts, and publishes new copies at once: the register with its digest, the lists with their signatures. */
export async function changeRegisters(
  folder: string,
  change: (state: RegistersState) => Partial<RegistersState>,
  at: Date,
): Promise<void> {
  const before = await readRegistersState(folder);
  const sequenceNumber = before.sequenceNumber + 1;
  await publish(folder, { ...before, ...change(before), sequenceNumber }, at);
}

/** The facts come last: a change that broke off is made again. */
async function publish(folder: string, state: RegistersState, at: Date): Promise<void> {
  await publishRegister(folder, state, at);
  await Promise.all(TERRITORIES.map((territory) => publishNationalList(folder, territory, { state, at })));
  await replaceFile(pathsOf(folder).registers.state, `${JSON.stringify(state, undefined, 2)}\n`);
}

async function publishRegister(folder: string, state: RegistersState, at: Date): Promise<void> {
  const { published } = pathsOf(folder).registers;
  const since = dayOf(state.since);
  const records = EU_TPP_PLANS.map((plan) => {
    const withdrawnAt = state.withdrawnTpps[organizationIdentifierOf(plan)];
    return entityRecord(entityOf(plan, { since, withdrawnOn: withdrawnAt && dayOf(withdrawnAt) }));
  });
  const { zip, digest } = await writeBulkFile(records);
  const time = at.toISOString().slice(0, 19).replaceAll(/\D/g, '');
  const name = `download-PSDMD-${time}-${digest.slice(0, 8)}.zip`;
  await replaceFile(published(name), zip);
  const copy: PublishedCopy = { name, digest, size: zip.length, at };
  await replaceFile(published(EBA_COPY), JSON.stringify(copy));
  const older = (await readdir(published(''))).filter((file) => isBulkFile(file) && file !== name).toSorted();
  await Promise.all(older.slice(0, 1 - KEPT_ZIPS).map((file) => rm(published(file), { force: true })));
}

async function publishListOfLists(folder: string, state: RegistersState, at: Date): Promise<void> {
  const signer = await signerOf(folder, 'EU');
  const own = {
    location: `${state.listsUrl}/eu-lotl.xml`,
    type: 'EUlistofthelists',
    territory: 'EU',
  } as const;
  const pointers = await Promise.all(
    TERRITORIES.map(async (territory) => ({
      location: `${state.listsUrl}/${territory}.xml`,
      type: 'EUgeneric' as const,
      territory,
      signers: [(await signerOf(folder, territory)).certificate],
    })),
  );
  const list: WrittenList = {
    type: 'EUlistofthelists',
    territory: 'EU',
    sequenceNumber: 1,
    issuedAt: at,
    nextUpdate: state.nextUpdate,
    pointers: [{ ...own, signers: [signer.certificate] }, ...pointers],
  };
  await replaceFile(pathsOf(folder).registers.published('eu-lotl.xml'), writeTrustedList(list, signer));
}

async function publishNationalList(
  folder: string,
  territory: string,
  { state, at }: { readonly state: RegistersState; readonly at: Date },
): Promise<void> {
  const qtsps = QTSP_PLANS.filter((plan) => plan.territory === territory);
  const services = await Promise.all(qtsps.map((plan) => serviceOf(folder, plan, state)));
  const { sequenceNumber, nextUpdate } = state;
  const list: WrittenList = {
    type: 'EUgeneric',
    territory,
    sequenceNumber,
    issuedAt: at,
    nextUpdate,
    services,
  };
  const signed = writeTrustedList(list, await signerOf(folder, territory));
  const bytes = state.forgedLists.includes(territory) ? forged(signed) : signed;
  await replaceFile(pathsOf(folder).registers.published(`${territory}.xml`), bytes);
}

async function serviceOf(
  folder: string,
  plan: QtspPlan,
  { since, withdrawnIssuers }: RegistersState,
): Promise<WrittenService> {
  const certificate = await certificateOf(pathsOf(folder).authority(plan.name));
  const granted = { status: 'granted', since: new Date(since.getTime() - 2 * DAY_SECONDS * 1000) };
  const withdrawnAt = plan.isFormer === true ? since : withdrawnIssuers[plan.name];
  return {
    provider: `Sandbox ${plan.authority}`,
    name: plan.authority,
    certificates: [certificate],
    states: withdrawnAt === undefined ? [granted] : [{ status: 'withdrawn', since: withdrawnAt }, granted],
  };
}

/** Every service is granted, as an attacker would like it, under the signature of the list before the change. */
function forged(list: Buffer): Buffer {
  return Buffer.from(list.toString('utf8').replaceAll('Svcstatus/withdrawn', 'Svcstatus/granted'));
}

async function signerOf(folder: string, territory: string): Promise<ListSigner> {
  const files = pathsOf(folder).registers.listSigner(territory);
  const key = await readFile(files.keyFile, 'utf8');
  return { certificate: await certificateOf(files), privateKey: createPrivateKey(key) };
}

async function certificateOf({ certificateFile }: CertificateFiles): Promise<Buffer> {
  return new X509Certificate(await readFile(certificateFile)).raw;
}

function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}
