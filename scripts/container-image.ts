import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** An image that was built here, and what a runtime needs of it. */
export interface BuiltImage {
  readonly id: string;
  /** Its files, which a runtime mounts without write access. */
  readonly rootFolder: string;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
  readonly environment: readonly string[];
  readonly workFolder: string;
}

const ROOT = resolve(import.meta.dirname, '..');
const STORAGE = { ...process.env, BUILDAH_ISOLATION: 'chroot', STORAGE_DRIVER: 'vfs' };
const MAX_BYTES = 1 << 26;
const [, DEFAULT_BASE = ''] = /^ARG NODE_IMAGE=(\S+)$/m.exec(read('deploy/Containerfile')) ?? [];

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

export function buildah(...words: readonly string[]): string {
  return execFileSync('buildah', words, {
    env: STORAGE,
    encoding: 'utf8',
    maxBuffer: MAX_BYTES,
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

/**
 * The base of the image: `NODE_IMAGE` of the environment, that of the Containerfile where its registry is reached, or one
 * of Debian's packages and the Node of this repository.
 */
export function baseImage(work: string): string {
  const named = process.env.NODE_IMAGE;
  if (named !== undefined) return named;
  if (spawnSync('buildah', ['pull', DEFAULT_BASE], { env: STORAGE, timeout: 120_000 }).status === 0)
    return DEFAULT_BASE;
  console.log(`${DEFAULT_BASE} cannot be had: the base is made of Debian's packages`);
  return madeBase(work);
}

/** @throws when Debian's packages cannot be had */
function madeBase(work: string): string {
  const folder = join(work, 'base');
  const sites = execFileSync('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'], {
    encoding: 'utf8',
  });
  const mirror = sites.split('\n').find((site) => site.endsWith('/debian')) ?? '';
  const debian = ['--variant=minbase', '--include=libatomic1,ca-certificates', 'bookworm', folder, mirror];
  execFileSync('debootstrap', debian, { stdio: 'ignore', timeout: 600_000 });
  // As the image of Node has them.
  cpSync(process.execPath, join(folder, 'usr/local/bin/node'));
  const npm = join(execFileSync('npm', ['root', '-g'], { encoding: 'utf8' }).trim(), 'npm');
  mkdirSync(join(folder, 'usr/local/lib/node_modules'), { recursive: true });
  cpSync(npm, join(folder, 'usr/local/lib/node_modules/npm'), { recursive: true, verbatimSymlinks: true });
  const container = buildah('from', 'scratch');
  buildah('add', '--quiet', container, folder, '/');
  const link = 'ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && useradd --uid 1000 node';
  buildah('run', container, '--', 'sh', '-c', link);
  buildah('config', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', container);
  const id = buildah('commit', '--quiet', container);
  buildah('rm', container);
  return id;
}

/** Builds the target `server` of the commit that is checked out; returns the id of the image, a digest of its content. */
export function build(work: string, base: string): string {
  const source = join(work, 'source');
  if (!existsSync(source)) {
    mkdirSync(source);
    const packed = execFileSync('git', ['archive', 'HEAD'], { cwd: ROOT, maxBuffer: MAX_BYTES });
    execFileSync('tar', ['-x', '-C', source], { input: packed });
    writeFileSync(
      join(work, 'npmrc'),
      `registry=${npmSetting('registry')}\ncafile=/run/check-container/ca.pem\n`,
    );
    cpSync(process.env.NODE_EXTRA_CA_CERTS ?? '/etc/ssl/certs/ca-certificates.crt', join(work, 'ca.pem'));
  }
  const time = execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' }).trim();
  // The registry and the CA of this machine are mounted, so that no trace of them is in a layer.
  const mounts = [`${work}/npmrc:/root/.npmrc:ro`, `${work}/ca.pem:/run/check-container/ca.pem:ro`];
  return buildah(
    ...['bud', '--quiet', '--no-cache', '--format', 'docker', '--network', 'host', '--timestamp', time],
    ...mounts.flatMap((mount) => ['--volume', mount]),
    ...['--build-arg', `NODE_IMAGE=${base}`, '--build-arg', `SOURCE_DATE_EPOCH=${time}`],
    ...['--target', 'server', '--file', join(source, 'deploy/Containerfile'), source],
  );
}

function npmSetting(name: string): string {
  return execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim();
}

/** Makes the files of an image readable, with the folders that a runtime mounts others at. */
export function opened(id: string): BuiltImage & { remove(): void } {
  const { config } = JSON.parse(buildah('inspect', '--type', 'image', id)).Docker;
  const container = buildah('from', id);
  const rootFolder = buildah('mount', container);
  mkdirSync(join(rootFolder, 'deployment'), { recursive: true });
  const [uid = Number.NaN, gid = Number.NaN] = String(config.User).split(':').map(Number);
  return {
    id,
    rootFolder,
    user: { uid, gid },
    command: [...config.Entrypoint, ...config.Cmd],
    healthCheck: config.Healthcheck.Test.slice(1),
    environment: config.Env,
    workFolder: config.WorkingDir,
    remove: () => void buildah('rm', container),
  };
}
