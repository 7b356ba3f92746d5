import { setTimeout as sleep } from 'node:timers/promises';
import * as oauth from 'openid-client';
import { systemClock } from '../../clock.ts';
import { ListFolder } from '../../trusted-lists/list-folder.ts';
import type { SandboxRegisters } from '../folder.ts';
import { forgeList, withdrawIssuer, withdrawTpp } from '../registers/withdrawal.ts';
import { pathsOf } from '../sandbox-paths.ts';
import type { DemoTpp } from './demo-tpp.ts';
import { boundTo, type Walk } from './walk.ts';

/** Until a change of a register must show: refresh, poll, and a slow machine. */
const PATIENCE_SECONDS = 30;
const TPP = 'travel-pay';
const QTSP = 'qtsp-ie';
/** The list with a service that an attacker could wish to be granted. */
const FORGED = 'DE';

/** TPPs of other countries: the EBA register says who may act, trusted lists who may issue certificates. */
export async function showRegisters(walk: Walk): Promise<void> {
  const { registers } = walk.description;
  if (registers === undefined) return;
  const tpp = await walk.connect(TPP);
  // The walk before may have put its changes back a moment ago. Status lists decide about holders once a second.
  await until(() => isServed(tpp));
  const tokens = await walk.succeeds(
    'a token for a TPP of the EBA register, by a certificate of an issuer that a trusted list grants',
    () => tokenOf(tpp),
    (answer) => `token for "${answer.scope}", bound to ${boundTo(answer)}`,
  );
  const token = tokens?.access_token;
  await walk.calls('the bank answers to it', { tpp, token });
  await walk.succeeds(
    'a token for a TPP of the UK directory',
    async () => tokenOf(await walk.connect('directory-pay')),
    (answer) => `token for "${answer.scope}"`,
  );
  const home = await walk.connect('home-pay');
  const noPassport = 'a TPP whose passport does not cover this country';
  await walk.isRefused(noPassport, 'ERR_TPP_NOT_PASSPORTED', () => tokenOf(home));
  const former = await walk.connect(TPP, { certificate: registers.formerIssuer });
  const byFormer = 'a certificate of an issuer whose service was withdrawn before';
  await walk.isRefused(byFormer, 'ERR_CERT_ISSUER_NOT_QUALIFIED', () => tokenOf(former));
  await showChanges(walk, { tpp, token, registers });
}

/** Changes the registers, and puts the changes back. */
async function showChanges(
  walk: Walk,
  at: { readonly tpp: DemoTpp; readonly token: string | undefined; readonly registers: SandboxRegisters },
): Promise<void> {
  const { tpp, token, registers } = at;
  const { folder } = registers;
  const change = (isUndone = false) => ({ at: systemClock.now(), isUndone });
  try {
    await forgeList(folder, FORGED, change());
    await walk.succeeds(
      'a trusted list in which a withdrawn service was changed to granted is refused, the last good one stays',
      () => keptInPlace(folder),
      ({ sequenceNumber, problem = '' }) => `list ${sequenceNumber} stays: ${problem}`,
    );
    await walk.isRefused(
      '… and the withdrawn service issues nothing',
      'ERR_CERT_ISSUER_NOT_QUALIFIED',
      async () => tokenOf(await walk.connect(TPP, { certificate: registers.formerIssuer })),
    );
    await forgeList(folder, FORGED, change(true));
    await withdrawIssuer(folder, QTSP, change());
    await until(async () => (await refusalOf(tpp)) !== undefined);
    await walk.isRefused(
      'the trusted list withdraws the issuer: no new token',
      'ERR_CERT_ISSUER_NOT_QUALIFIED',
      () => tokenOf(tpp),
    );
    await walk.calls('… and the token before goes on', { tpp, token });
    await withdrawIssuer(folder, QTSP, change(true));
    await withdrawTpp(folder, TPP, change());
    await until(async () => (await tpp.call('/accounts', token ?? '')).status !== 200);
    await walk.calls('the EBA register withdraws the TPP: its token is dead', {
      tpp,
      token,
      code: 'ERR_TOKEN_REVOKED',
    });
    // The list that has the issuer again is another file, which the server may read a little later.
    await until(async () => (await refusalOf(tpp))?.includes('ERR_CERT_ISSUER_NOT_QUALIFIED') !== true);
    await walk.isRefused('… and it gets no other', 'ERR_TPP_NOT_AUTHORIZED', () => tokenOf(tpp));
  } finally {
    await forgeList(folder, FORGED, change(true));
    await withdrawIssuer(folder, QTSP, change(true));
    await withdrawTpp(folder, TPP, change(true));
  }
}

/** The state of the list that was to be replaced, once the server has refused the other one. */
async function keptInPlace(folder: string) {
  const lists = new ListFolder(pathsOf(folder).kept.trustedLists);
  const state = async () =>
    (await lists.snapshot())?.lists.find(
      ({ territory, problem }) => territory === FORGED && problem !== undefined,
    );
  await until(async () => (await state()) !== undefined);
  const kept = await state();
  if (kept === undefined) throw new Error('the list was not refused');
  return kept;
}

function tokenOf(tpp: DemoTpp) {
  return oauth.clientCredentialsGrant(tpp.config, { scope: 'accounts' });
}

async function refusalOf(tpp: DemoTpp): Promise<string | undefined> {
  try {
    await tokenOf(tpp);
    return undefined;
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError) return error.error_description ?? error.error;
    throw error;
  }
}

async function isServed(tpp: DemoTpp): Promise<boolean> {
  if ((await refusalOf(tpp)) !== undefined) return false;
  const { access_token: token } = await tokenOf(tpp);
  return (await tpp.call('/accounts', token)).status === 200;
}

/** Waits until a change shows, but no longer than a person would. The step that follows says what is there. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_SECONDS * 1000;
  while (performance.now() < end && !(await isSo())) await sleep(200);
}
