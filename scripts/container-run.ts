import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BuiltImage } from './container-image.ts';

interface Mount {
  readonly source: string;
  readonly target: string;
  readonly isWritable?: boolean;
}

/** A container as docker-compose.yml runs it: read-only, without a capability or a new right. It has the host's network. */
export class Container {
  readonly #id: string;
  readonly #state: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  constructor(
    image: BuiltImage,
    { work, mounts }: { readonly work: string; readonly mounts: readonly Mount[] },
  ) {
    const bundle = join(work, 'bundle');
    mkdirSync(bundle, { recursive: true });
    this.#state = join(work, 'state');
    this.#id = `tallystick-${process.pid}`;
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(specification(image, mounts)));
    const words = ['--root', this.#state, 'run', '--bundle', bundle, this.#id];
    this.#process = spawn('runc', words, { stdio: ['ignore', 'inherit', 'inherit'] });
    this.#ended = once(this.#process, 'exit');
  }

  /** The exit code of a command in the container. */
  run(command: readonly string[]): number | null {
    return spawnSync('runc', ['--root', this.#state, 'exec', this.#id, ...command], { stdio: 'ignore' })
      .status;
  }

  /** The exit code of the server after SIGTERM. */
  async stop(): Promise<unknown> {
    execFileSync('runc', ['--root', this.#state, 'kill', this.#id, 'SIGTERM']);
    const [code] = await this.#ended;
    return code;
  }

  remove(): void {
    spawnSync('runc', ['--root', this.#state, 'delete', '--force', this.#id]);
  }
}

/** The description of a container in the form of the OCI runtime specification 1.0. */
function specification(image: BuiltImage, mounts: readonly Mount[]): object {
  const none: readonly string[] = [];
  const kinds = ['bounding', 'effective', 'permitted', 'inheritable', 'ambient'];
  return {
    ociVersion: '1.0.2',
    process: {
      user: image.user,
      args: image.command,
      env: image.environment,
      cwd: image.workFolder,
      noNewPrivileges: true,
      capabilities: Object.fromEntries(kinds.map((kind) => [kind, none])),
    },
    root: { path: image.rootFolder, readonly: true },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=65536k'] },
      ...mounts.map(({ source, target, isWritable = false }) => ({
        destination: target,
        type: 'bind',
        source,
        options: ['bind', isWritable ? 'rw' : 'ro', 'nosuid', 'nodev', 'noexec'],
      })),
    ],
    linux: { namespaces: ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })) },
  };
}
