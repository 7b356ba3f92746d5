import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];

/** The library of SoftHSM, where it is installed. CI installs it. */
export const SOFT_HSM = MODULES.find((file) => existsSync(file));

/** Why tests with a token are skipped on this machine; undefined where they run. */
export const NO_SOFT_HSM =
  process.platform !== 'linux' || (SOFT_HSM === undefined && process.env.CI === undefined)
    ? 'SoftHSM is not installed (softhsm2)'
    : undefined;

/** A token of SoftHSM in a folder of its own. */
export class TestToken {
  readonly folder: string;
  readonly moduleFile = SOFT_HSM ?? 'softhsm2 is not installed';
  readonly label = 'bank';
  readonly pinFile: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.pinFile = join(folder, 'pin');
  }

  /** SoftHSM finds its configuration by the environment, which the process of the token inherits. */
  static async create(): Promise<TestToken> {
    const token = new TestToken(await mkdtemp(join(tmpdir(), 'tallystick-hsm-')));
    const configuration = join(token.folder, 'softhsm2.conf');
    await mkdir(join(token.folder, 'tokens'));
    await writeFile(configuration, `directories.tokendir = ${token.folder}/tokens\nlog.level = ERROR\n`);
    process.env.SOFTHSM2_CONF = configuration;
    await token.writePin('123456');
    const words = ['--init-token', '--free', '--label', token.label, '--pin', '123456', '--so-pin', '654321'];
    await run('softhsm2-util', words);
    return token;
  }

  writePin(pin: string): Promise<void> {
    return writeFile(this.pinFile, `${pin}\n`, { mode: 0o600 });
  }

  /** Brings a key from outside, as another tool does. */
  async import(curve: string, label: string, id: string): Promise<void> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: curve });
    const file = join(this.folder, 'brought.pem');
    await writeFile(file, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
    const words = ['--import', file, '--label', label, '--id', id, '--token', this.label, '--pin', '123456'];
    await run('softhsm2-util', words);
  }

  async remove(): Promise<void> {
    delete process.env.SOFTHSM2_CONF;
    await rm(this.folder, { recursive: true, force: true });
  }
}
