import type { SandboxDescription } from '../../../src/sandbox/folder.ts';

/** What an attacking process is told. */
export interface Target {
  readonly ports: { readonly front: number; readonly mtls: number; readonly health: number };
  /** The gateway, where the attack needs one. */
  readonly gatewayPort: number;
  /** Host of the front channel and of the mTLS listener, as requests name it. */
  readonly hosts: { readonly front: string; readonly mtls: string };
  readonly serverPid: number;
  readonly description: SandboxDescription;
  /** Files of the attacking TPP, of its client, and of a certificate of nobody. */
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly strangerFolder: string;
  /** How long the attack lasts. */
  readonly seconds: number;
}

/** One attack on a running server, by a process of its own on another loopback address than the service that is measured. */
export interface Attack {
  readonly name: string;
  /** Added to the configuration of the server. */
  readonly configuration?: object;
  /** Flags of the runtime for the server. */
  readonly nodeFlags?: readonly string[];
  /** `ulimit -n` of the server. */
  readonly descriptors?: number;
  /** Where the server writes its log. Default: a file. */
  readonly log?: 'full' | 'not read';
  /** Whose answers are measured. Default: tokens and the front channel of the server. */
  readonly measured?: 'gateway';
  /** Longer than the usual 15 seconds. */
  readonly seconds?: number;
  /** Least share of the others' requests that are answered while the attack runs. Default 0.9. */
  readonly leastServed?: number;
  /** Longest time until all is as before, in seconds. Default 10. */
  readonly longestRecovery?: number;
  /** Bounds of what the attack may leave behind. */
  readonly most?: { readonly linesASecond: number; readonly storeMegabytes: number };
  /** Attacks until the time is over; the text that it resolves to stands in the report. */
  run(target: Target): Promise<string>;
}
