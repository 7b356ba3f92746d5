import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { configSchema, parseConfig } from '../../src/configuration/config.ts';
import { variablesOf } from '../../src/configuration/layers/environment.ts';
import { inputSchema } from '../../src/configuration/layers/schema-keys.ts';
import { fileOf, readPage } from '../docs/pages.ts';
import { parseContainerfile, runtimeOf } from './containerfile.ts';

const FOLDER = 'deploy/kubernetes';
const read = (path: string) => readFileSync(fileOf(path), 'utf8');

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Record<string, never>;
}

const kustomization = parse(read(`${FOLDER}/kustomization.yaml`));
const manifests = (kustomization.resources as readonly string[]).flatMap((name) =>
  parseAllDocuments(read(`${FOLDER}/${name}`)).map((document) => document.toJS() as Manifest),
);
const ofKind = (kind: string) => manifests.filter((one) => one.kind === kind);
const only = (kind: string): Manifest => {
  const [first, ...others] = ofKind(kind);
  if (first === undefined || others.length > 0) throw new Error(`not exactly one ${kind}`);
  return first;
};
const deployment = only('Deployment').spec as unknown as Deployment;
const pod = deployment.template.spec;
const [container] = pod.containers;
const config = parseConfig(parse(read(`${FOLDER}/configuration/tallystick.yaml`)), {
  source: 'tallystick.yaml',
  folder: '/deployment',
});
const ports = new Map(container?.ports.map(({ name, containerPort }) => [name, containerPort]));

interface Deployment {
  readonly selector: { readonly matchLabels: Record<string, string> };
  readonly template: {
    readonly metadata: { readonly labels: Record<string, string> };
    readonly spec: {
      readonly terminationGracePeriodSeconds: number;
      readonly securityContext: object;
      readonly containers: readonly Container[];
      readonly volumes: readonly {
        readonly name: string;
        readonly secret?: { readonly defaultMode: number };
      }[];
    };
  };
}

interface Container {
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly { readonly name: string }[];
  readonly securityContext: object;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string; readonly port: string } };
}

/** Every absolute file name in a value. */
function filesIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.startsWith('/') ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(filesIn) : [];
}

describe('deploy/kubernetes', () => {
  it('lists every manifest, and each is of an API that Kubernetes serves', () => {
    const files = readdirSync(fileOf(FOLDER)).filter((name) => name.endsWith('.yaml'));
    expect([...kustomization.resources, 'kustomization.yaml'].toSorted()).toEqual(files.toSorted());
    expect(manifests.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`).toSorted()).toEqual([
      'apps/v1 Deployment',
      'autoscaling/v2 HorizontalPodAutoscaler',
      'networking.k8s.io/v1 NetworkPolicy',
      'policy/v1 PodDisruptionBudget',
      'v1 Namespace',
      'v1 Service',
      'v1 Service',
      'v1 Service',
      'v1 ServiceAccount',
    ]);
    const { files: configured } = kustomization.configMapGenerator[0];
    for (const name of configured) expect(read(`${FOLDER}/${name}`)).not.toBe('');
  });

  it('starts the command of the image with a configuration that is accepted', () => {
    const image = runtimeOf(parseContainerfile(read('deploy/Containerfile')), 'server');
    expect(container?.args).toEqual(image.command);
    expect(config.aspspModule).toBe('/deployment/bank.mjs');
    const known = new Set(variablesOf(inputSchema(configSchema)).map(({ variable }) => variable));
    expect(container?.env.map(({ name }) => name).filter((name) => !known.has(name))).toEqual([]);
    const [{ newTag }] = kustomization.images;
    expect(newTag).toBe(JSON.parse(read('package.json')).version);
  });

  it('opens the ports where the configuration listens', () => {
    const { listen, management } = config;
    expect(Object.fromEntries(ports)).toEqual({
      front: listen.front,
      mtls: listen.mtls,
      health: listen.health.port,
      management: management?.listen.port,
    });
    expect([listen.host, listen.health.host, management?.listen.host]).toEqual([
      '0.0.0.0',
      '0.0.0.0',
      '0.0.0.0',
    ]);
  });

  it('probes the health as docs/operate.md says', () => {
    const documented = readPage('docs/operate.md').text;
    for (const [probe, path] of [
      ['startupProbe', '/health/started'],
      ['readinessProbe', '/health/ready'],
      ['livenessProbe', '/health/live'],
    ] as const) {
      const { httpGet, ...times } = container?.[probe] ?? { httpGet: undefined };
      expect(httpGet).toEqual({ path, port: 'health' });
      const line = new RegExp(`^${probe}: \\{ httpGet: .+? \\}, (.+) \\}$`, 'm').exec(documented)?.[1];
      expect(parse(`{ ${line} }`)).toEqual(times);
    }
    const { noticeSeconds, drainSeconds } = config.shutdown;
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(noticeSeconds + drainSeconds + 6);
  });

  it('mounts a place for every file that the configuration names, secrets for the group of the server alone', () => {
    const mounts = container?.volumeMounts ?? [];
    const homeless = filesIn(config).filter(
      (file) => !mounts.some(({ mountPath }) => file.startsWith(`${mountPath}/`)),
    );
    expect(homeless).toEqual([]);
    expect(mounts.map(({ name }) => name)).toEqual(pod.volumes.map(({ name }) => name));
    const modes = pod.volumes.flatMap(({ secret }) => (secret === undefined ? [] : [secret.defaultMode]));
    // YAML 1.1, as Kubernetes reads it: 0440 is octal.
    expect(modes).toEqual([440, 440, 440, 440]);
    expect(read(`${FOLDER}/deployment.yaml`).match(/defaultMode: 0440/g)).toHaveLength(4);
  });

  it('runs under the restricted standard of pod security', () => {
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 1000,
      fsGroup: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });

  it('selects its own pods everywhere, by ports that they have', () => {
    const { labels } = deployment.template.metadata;
    expect(deployment.selector.matchLabels).toEqual(labels);
    const services = ofKind('Service').map(
      ({ spec }) => spec as unknown as { selector: object; ports: object[] },
    );
    for (const { selector, ports: own } of services) {
      expect(selector).toEqual(labels);
      for (const { targetPort } of own as { targetPort: string }[])
        expect([...ports.keys()]).toContain(targetPort);
    }
    expect(Object(only('PodDisruptionBudget').spec).selector.matchLabels).toEqual(labels);
    expect(Object(only('HorizontalPodAutoscaler').spec).scaleTargetRef.name).toBe('tallystick');
  });

  it('lets no pod reach the health, and those of marked namespaces alone the management', () => {
    const { podSelector, policyTypes, ingress } = Object(only('NetworkPolicy').spec);
    expect([podSelector.matchLabels, policyTypes]).toEqual([
      deployment.template.metadata.labels,
      ['Ingress', 'Egress'],
    ]);
    const open = (ingress as { from?: unknown; ports: { port: string }[] }[]).map(({ from, ports: own }) => ({
      isForAll: from === undefined,
      ports: own.map(({ port }) => port),
    }));
    expect(open).toEqual([
      { isForAll: true, ports: ['front', 'mtls'] },
      { isForAll: false, ports: ['management'] },
    ]);
  });

  it('is scraped by its pods, under the name of its certificate, as a caller that the configuration names', () => {
    const { rule_files, scrape_configs } = parse(read('deploy/prometheus/kubernetes.yaml'));
    expect(rule_files).toEqual(['alerts.yaml']);
    const [job] = scrape_configs;
    expect([job.job_name, job.scheme, job.tls_config.server_name]).toEqual([
      'tallystick',
      'https',
      new URL(config.management?.url ?? '').host,
    ]);
    expect(config.management?.callers).toMatchObject([{ name: 'prometheus', roles: ['viewer'] }]);
    const [found] = job.kubernetes_sd_configs;
    expect([found.namespaces.names, found.selectors[0].label]).toEqual([['tallystick'], 'app=tallystick']);
    expect([...ports.keys()]).toContain(job.relabel_configs[0].regex);
  });

  const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
  it.skipIf(!hasKubectl)('is put together by kustomize', () => {
    const text = execFileSync('kubectl', ['kustomize', fileOf(FOLDER)], { encoding: 'utf8' });
    const made = parseAllDocuments(text).map((document) => document.toJS() as Manifest);
    expect(made).toHaveLength(manifests.length + 1);
    const map = made.find(({ kind }) => kind === 'ConfigMap')?.metadata.name;
    expect(text).toContain(`name: ${map}`);
    expect(text).toContain('defaultMode: 288');
  });
});
