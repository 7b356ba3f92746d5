import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../clock.ts';
import type { FreshCertificate } from './folder/fresh-certificate.ts';
import { notTried, type PlanRun, resultOf } from './plan-run.ts';
import { RULE } from './rules.ts';

/** CRLs and OCSP responses of the plan end after 60 seconds; a server may use one until then. */
const MAX_SECONDS = 75;
const POLL_SECONDS = 2;
const BY_ONE_WAY = ['revoked-by-crl', 'revoked-by-ocsp'];

/** Uses a certificate, has its CA revoke it, and tries until the server refuses it. */
export async function runRevocationRule(run: PlanRun, fresh: FreshCertificate): Promise<void> {
  const rule = RULE.revokedInUse;
  const door = run.openDoor;
  if (door === undefined) return;
  const { way } = door;
  const failed = run.results.filter((one) => one.way === way && one.outcome === 'failed');
  if (BY_ONE_WAY.every((id) => failed.some((one) => one.rule.id === id))) {
    run.add([notTried(rule, way, 'the server heeds neither CRL nor OCSP')]);
    return;
  }
  const ask = () => run.ask(() => door.request(fresh.presented), door);
  const first = await ask();
  if (first.verdict !== 'accepted') {
    run.add([notTried(rule, way, `a fresh good certificate is not accepted: ${first.text}`)]);
    return;
  }
  await fresh.revoke();
  const began = systemClock.now().getTime();
  for (;;) {
    const answer = await ask();
    const seconds = Math.round((systemClock.now().getTime() - began) / 1000);
    if (answer.verdict !== 'accepted' || seconds >= MAX_SECONDS) {
      run.add([
        resultOf(rule, way, { ...answer, text: `${answer.text} (${seconds} s after the revocation)` }),
      ]);
      return;
    }
    await sleep(POLL_SECONDS * 1000);
  }
}
