import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ZipFile } from 'yazl';
import { systemClock } from '../../src/clock.ts';
import { silentLog } from '../../src/events.ts';
import { entityRecord } from '../../src/sandbox/registers/eba-writer.ts';
import { ListFolder } from '../../src/trusted-lists/list-folder.ts';
import { ProvingThread } from '../../src/trusted-lists/proving-thread.ts';
import { refreshTrustedLists } from '../../src/trusted-lists/refresh.ts';
import { ListedIssuers } from '../../src/tpp/listed-issuers.ts';
import { parsePem } from '../../src/x509/der/pem.ts';
import { EbaSource } from '../../tpp-registry/sources/eba/eba-source.ts';
import { importEbaRegister, keptRegister } from '../../tpp-registry/sources/eba/refresh.ts';
import { corpus } from '../x509/corpora.ts';

// A register of the size of the EBA's: 330,000 records, 217 MB, of which 1,900 are institutions that can be a TPP; how
// long a copy takes to import, what memory it takes beyond idle, what the event loop feels, and how long a look-up takes
// afterwards. Then the official trusted lists, where the corpus is beside the project. The register is written by another
// process, so that its memory is not counted.
const RECORDS = 330_000;
const EVERY = 174;
const RECORD_BYTES = 657;
const LOOK_UPS = 1_000_000;
const SAMPLE_MILLISECONDS = 10;

const one = (value: number): string => value.toFixed(1);
const megabytes = (bytes: number): string => `${one(bytes / 1e6)} MB`;

const [flag, folderGiven] = process.argv.slice(2);
if (flag === '--write' && folderGiven !== undefined) await writeRegister(folderGiven);
else await measure();

async function measure(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-bench-registry-'));
  try {
    execFileSync(process.execPath, [import.meta.filename, '--write', folder], { stdio: 'inherit' });
    await measureRegister(folder);
    await measureLists(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Time, memory beyond idle and delays of the event loop while `run` lasts. */
async function observed<T>(title: string, run: () => Promise<T>): Promise<T> {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  await sleep(200);
  const idle = process.memoryUsage.rss();
  let peak = idle;
  const sampling = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, SAMPLE_MILLISECONDS);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const before = performance.now();
  const usage = process.cpuUsage();
  const result = await run();
  const seconds = (performance.now() - before) / 1000;
  const { user, system } = process.cpuUsage(usage);
  delay.disable();
  clearInterval(sampling);
  const [p99, max] = [delay.percentile(99) / 1e6, delay.max / 1e6];
  console.log(
    `${title}: ${seconds.toFixed(2)} s, CPU ${((user + system) / 1e6).toFixed(2)} s; ${megabytes(peak - idle)} beyond idle (${megabytes(idle)}); event-loop delay p99 ${one(p99)} ms, max ${one(max)} ms`,
  );
  return result;
}

async function measureRegister(folder: string): Promise<void> {
  const source = join(folder, 'register.zip');
  const zip = await readFile(source);
  const to = { folder: join(folder, 'eba'), source, snapshotAt: new Date('2026-11-29'), clock: systemClock };
  const copy = await observed(`EBA register, ZIP of ${megabytes(zip.length)}, imported`, () =>
    importEbaRegister(zip, to),
  );
  console.log(`${copy.entities.length} institutions of ${copy.state.recordCount} records`);
  const kept = await observed('the last good copy, read again', () => keptRegister(to.folder));
  if (kept === undefined) throw new Error('there is no copy');
  const register = new EbaSource(kept, { hostCountry: 'ES', clock: systemClock });
  const numbers = kept.entities.map(({ entityCode }) => `PSDIE-CBI-${entityCode.slice('IE_CBI!'.length)}`);
  let found = 0;
  const before = performance.now();
  for (let at = 0; at < LOOK_UPS; at += 1) {
    if (register.find(numbers[at % numbers.length] ?? '', 'IE-CBI') !== undefined) found += 1;
  }
  const micros = ((performance.now() - before) * 1000) / LOOK_UPS;
  if (found !== LOOK_UPS) throw new Error(`${LOOK_UPS - found} institutions are not found`);
  console.log(`look-up: ${micros.toFixed(2)} µs`);
}

async function measureLists(folder: string): Promise<void> {
  const { path, isMissing, title } = corpus('trusted-lists');
  if (isMissing) {
    console.log(`trusted lists: ${title}`);
    return;
  }
  const file = (name: string) => ({ source: name, bytes: readFileSync(join(path, name)) });
  const national = readdirSync(path).filter((name) => /^..-2023\.xml$/.test(name));
  const files = ['eu-lotl-332.xml', 'eu-lotl-pivot-300.xml', 'eu-lotl-pivot-282.xml', ...national].map(file);
  const officialJournal = readdirSync(join(path, 'oj-2019')).flatMap((name) =>
    parsePem(readFileSync(join(path, 'oj-2019', name), 'utf8')),
  );
  const size = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const lists = new ListFolder(join(folder, 'lists'));
  await lists.open();
  for (const { source, bytes } of files) {
    if (source.includes('pivot')) await lists.keepPivot(source, bytes);
    else await lists.keepList(source.startsWith('eu-') ? 'EU' : source.slice(0, 2), bytes);
  }
  const thread = new ProvingThread();
  try {
    await observed(`${files.length} trusted lists of ${megabytes(size)}, verified, their issuers found`, () =>
      refreshTrustedLists({
        folder: lists,
        address: undefined,
        officialJournal,
        territories: undefined,
        fetch: () => Promise.reject(new Error('nothing is fetched')),
        thread,
        clock: systemClock,
        log: silentLog,
        onProgress: undefined,
      }),
    );
  } finally {
    await thread.close();
  }
  const listed = await observed('anchors from the last good copy', async () => {
    const snapshot = await lists.snapshot();
    if (snapshot === undefined) throw new Error('there is no snapshot');
    return new ListedIssuers(snapshot, { maxAgeSeconds: 1, overdue: 'refuse', log: silentLog });
  });
  console.log(`${listed.anchors.length} anchors`);
}

/** Writes the register to a folder, record by record. */
async function writeRegister(folder: string): Promise<void> {
  const json = join(folder, 'PSDMD.json');
  const digest = createHash('sha256');
  await pipeline(records, createWriteStream(json));
  await pipeline(createReadStream(json), digest);
  const zip = new ZipFile();
  zip.addFile(json, 'PSDMD.json');
  zip.addBuffer(Buffer.from(`${digest.digest('hex')}  PSDMD.json\n`), 'PSDMD.json.sha256');
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(join(folder, 'register.zip')));
  if (!existsSync(json)) throw new Error('the register was not written');
}

function* records(): Generator<string> {
  yield '[[{"disclaimer":{"text":"No legal significance."}}],[';
  for (let at = 0; at < RECORDS; at += 1) {
    const code = createHash('sha256').update(String(at)).digest('hex').slice(0, 12).toUpperCase();
    const text = JSON.stringify(
      entityRecord({
        type: at % EVERY === 0 ? 'PSD_PI' : 'PSD_AG',
        owner: 'IE_CBI',
        entityCode: `IE_CBI!C${code}`,
        name: `Entity ${code} of the register, in a town of its own, with a long street`,
        days: ['2018-07-02'],
        services: { IE: ['PS_070', 'PS_080'], ES: ['PS_080'], FR: 'PS_080', DE: ['PS_070'] },
      }),
    );
    const filler = 'x'.repeat(Math.max(0, RECORD_BYTES - text.length - ',"Filler":"",'.length));
    yield `${at === 0 ? '' : ','}${text.slice(0, -1)},"Filler":"${filler}"}`;
  }
  yield ']]';
}
