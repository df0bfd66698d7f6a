/* Made from schema-panel/panel.json by `jlpm types`; do not edit. */

export type PanelEvent =
  MeEvent | LifetimeEvent | ClustersEvent | StorageEvent | AccessEvent | TokenEvent | HistoryEvent;

/**
 * Who I am changed: always the first event.
 */
export interface MeEvent {
  kind: 'me';
  me: Me;
}
/**
 * Who I am here. ``server`` is None where no server asks.
 */
export interface Me {
  user: string;
  groups: string[];
  admin: boolean;
  facility: FacilityOfMine;
  server: ServerOfMine | null;
}
/**
 * The facility's name and whom to ask.
 */
export interface FacilityOfMine {
  name: string;
  contact: string;
}
/**
 * The server that asks, as its recorded plan says.
 */
export interface ServerOfMine {
  name: string;
  profile: string;
  profile_display_name: string;
  size: string;
  gpu: string | null;
  cores: number;
  memory_bytes: number;
  start_id: string;
  home: string;
  areas: AreaOfMine[];
  left_out: LeftOutOfMine[];
}
/**
 * A mount as its person sees it in the server.
 *
 * ``survives`` says whether what is written there outlives the server; ``group`` is
 * whose it is where it belongs to a group.
 */
export interface AreaOfMine {
  name: string;
  kind: 'private' | 'shared' | 'collab' | 'cvmfs' | 'backup';
  path: string;
  read_only: boolean;
  survives: boolean;
  group: string | null;
}
/**
 * An area that the server does not have, and why.
 */
export interface LeftOutOfMine {
  name: string;
  reason: string;
}
/**
 * When the server stops changed; None where no server asks.
 */
export interface LifetimeEvent {
  kind: 'lifetime';
  lifetime: Lifetime | null;
}
/**
 * When the server will be stopped, and by which rule; None: never by that rule.
 *
 * ``idle_stop_at`` moves with the person's activity, ``longest_stop_at`` does not.
 * ``stop_at`` is the earlier of the two; the Lab warns ``warn_seconds`` before it.
 * ``active_while`` is what counts as activity beside the person's own.
 */
export interface Lifetime {
  started_at: number;
  last_active_at: number;
  idle_seconds: number | null;
  longest_seconds: number | null;
  active_while: ('kernels' | 'clusters')[];
  idle_stop_at: number | null;
  longest_stop_at: number | null;
  stop_at: number | null;
  warn_seconds: number;
}
/**
 * My clusters, all of them; ``dask`` is None where the profile has none.
 */
export interface ClustersEvent {
  kind: 'clusters';
  clusters: ClusterOfMine[];
  dask: DaskOfMine | null;
}
/**
 * One of the person's Dask clusters. ``wanted`` and ``ready`` count its workers.
 */
export interface ClusterOfMine {
  name: string;
  server_name: string;
  is_of_this_server: boolean;
  status: 'pending' | 'running' | 'stopping';
  started_at: number;
  worker_cores: number;
  worker_memory_bytes: number;
  wanted: number;
  ready: number;
}
/**
 * The ceilings of the profile's clusters, and what all of mine use of them.
 */
export interface DaskOfMine {
  max_clusters: number;
  /**
   * @minItems 2
   * @maxItems 2
   */
  worker_cores: [number, number];
  /**
   * @minItems 2
   * @maxItems 2
   */
  worker_memory_bytes: [number, number];
  user_cores: number;
  user_memory_bytes: number;
  used_cores: number;
  used_memory_bytes: number;
  idle_seconds: number;
}
/**
 * How full my trees are. ``is_rescue``: this server's home is not on an area.
 *
 * ``volume_is_full``: the disk that the areas lie on has no room for anybody.
 */
export interface StorageEvent {
  kind: 'storage';
  trees: TreeOfMine[];
  is_rescue: boolean;
  volume_is_full: boolean;
}
/**
 * What the server's person, or a folder's group, has of an area, and how full it is.
 *
 * ``path`` is where it is in the server. ``used_bytes``, ``files`` and ``counted_at``
 * are None until it was counted; ``quota_bytes`` and ``enforced_by`` where the facility
 * gives none: ``accounting`` only warns, a file system's quota refuses writes.
 */
export interface TreeOfMine {
  area: string;
  kind: 'private' | 'shared' | 'collab' | 'cvmfs';
  owner: string;
  path: string;
  used_bytes: number | null;
  files: number | null;
  counted_at: number | null;
  quota_bytes: number | null;
  enforced_by: ('btrfs' | 'xfs' | 'accounting') | null;
  fullness: 'ok' | 'near' | 'full';
}
/**
 * Whether my server has to end for access that I lost; None: it has not.
 */
export interface AccessEvent {
  kind: 'access';
  end: AccessEnd | null;
}
/**
 * That a server ends because its person lost access, or what it was started with.
 *
 * ``ends_at`` is when it is stopped; until then work can be saved. ``reason`` is for
 * the person.
 */
export interface AccessEnd {
  rule: 'denied' | 'suspended' | 'aup-unsigned' | 'login-needed' | 'expired' | 'withheld';
  reason: string;
  since: number;
  ends_at: number;
}
/**
 * How the token in my server is; None where the facility gives none.
 *
 * The server's own extension says this: it sees the token's folder, the service not.
 */
export interface TokenEvent {
  kind: 'token';
  token: TokenOfMine | null;
}
/**
 * The access token in the server: until when it is good, and how long it was at first.
 *
 * ``expires_at`` is None where there is no token. ``problem`` says in words why it
 * cannot be renewed, or why there is none; empty: all is well.
 */
export interface TokenOfMine {
  expires_at: number | null;
  lifetime_seconds: number | null;
  problem: string;
}
/**
 * The newest lines about me, oldest first; later events carry only new lines.
 */
export interface HistoryEvent {
  kind: 'history';
  lines: HistoryLine[];
}
/**
 * A line of the audit about the person: who did what to whom, with which result.
 */
export interface HistoryLine {
  id: number;
  at: number;
  actor: string;
  action: string;
  target: string;
  rule: string;
  result: string;
}
