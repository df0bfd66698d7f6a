/**
 * My Dask clusters, and what is left of their ceilings.
 */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { ClusterOfMine, DaskOfMine } from './generated/panel';
import { ActButton, Section, Term } from './parts';
import { IFacilityModel } from './tokens';
import { ILanguage, durationText, memoryText, numberText } from './words';

/** A name is as long as a hash; so much of it tells clusters apart. */
const SHORT_NAME = 8;

/** What the part is made of. */
interface IProps {
  readonly model: IFacilityModel;
  readonly language: ILanguage;
}

/** Draw the clusters. */
export function Clusters({ model, language }: IProps): JSX.Element {
  const { trans } = language;
  const { clusters, dask } = model.state;
  return (
    <Section title={trans.__('Dask clusters')}>
      {dask && (
        <Ceilings dask={dask} count={clusters.length} language={language} />
      )}
      {clusters.length === 0 && <p>{trans.__('No cluster runs.')}</p>}
      <ul className="jp-af-List">
        {clusters.map(cluster => (
          <li key={cluster.name} className="jp-af-Cluster">
            <Cluster cluster={cluster} model={model} language={language} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** Draw what is left. */
function Ceilings(props: {
  readonly dask: DaskOfMine;
  readonly count: number;
  readonly language: ILanguage;
}): JSX.Element {
  const { dask, count, language } = props;
  const { trans } = language;
  const left = (most: number, used: number): number => Math.max(0, most - used);
  const cores = left(dask.user_cores, dask.used_cores);
  const memory = left(dask.user_memory_bytes, dask.used_memory_bytes);
  return (
    <dl className="jp-af-Terms">
      <Term name={trans.__('Clusters left')}>
        {trans.__(
          '%1 of %2',
          left(dask.max_clusters, count),
          dask.max_clusters
        )}
      </Term>
      <Term name={trans.__('Cores left')}>
        {trans.__(
          '%1 of %2',
          numberText(cores, language),
          numberText(dask.user_cores, language)
        )}
      </Term>
      <Term name={trans.__('Memory left')}>
        {trans.__(
          '%1 of %2',
          memoryText(memory, language),
          memoryText(dask.user_memory_bytes, language)
        )}
      </Term>
      <Term name={trans.__('Idle clusters stop after')}>
        {durationText(dask.idle_seconds, trans)}
      </Term>
    </dl>
  );
}

function Cluster(
  props: IProps & { readonly cluster: ClusterOfMine }
): JSX.Element {
  const { cluster, model, language } = props;
  const { trans } = language;
  const short = cluster.name.slice(0, SHORT_NAME);
  return (
    <>
      <div>
        <code title={cluster.name}>{short}</code>{' '}
        <span className="jp-af-Badge">{statusWord(cluster.status, trans)}</span>
      </div>
      <div>
        {trans.__('Workers: %1 of %2 ready', cluster.ready, cluster.wanted)}
      </div>
      <div>
        {trans.__(
          'Each: cores %1, memory %2',
          numberText(cluster.worker_cores, language),
          memoryText(cluster.worker_memory_bytes, language)
        )}
      </div>
      {!cluster.is_of_this_server && (
        <div>{trans.__('Of your server %1', serverText(cluster, trans))}</div>
      )}
      <div className="jp-af-Cluster-acts">
        {cluster.is_of_this_server && cluster.status === 'running' && (
          <a
            href={model.dashboardUrl(cluster.name)}
            target="_blank"
            rel="noreferrer"
            aria-label={trans.__('Dashboard of the cluster %1', short)}
          >
            {trans.__('Dashboard')}
          </a>
        )}
        <ActButton
          label={trans.__('Stop')}
          name={trans.__('Stop the cluster %1', short)}
          isDisabled={cluster.status === 'stopping'}
          act={() => stop(cluster.name, model, trans)}
        />
      </div>
    </>
  );
}

/** Stop a cluster if the person means it; return what to say. */
async function stop(
  name: string,
  model: IFacilityModel,
  trans: TranslationBundle
): Promise<string> {
  const { button } = await showDialog({
    title: trans.__('Stop the cluster?'),
    body: trans.__(
      'Its workers end, and what they hold in memory is lost. Files stay.'
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('Stop') })
    ]
  });
  if (!button.accept) {
    return '';
  }
  await model.stopCluster(name);
  return trans.__('It is being stopped.');
}

function serverText(cluster: ClusterOfMine, trans: TranslationBundle): string {
  return cluster.server_name || trans.__('without a name');
}

function statusWord(
  status: ClusterOfMine['status'],
  trans: TranslationBundle
): string {
  switch (status) {
    case 'pending':
      return trans.__('starting');
    case 'running':
      return trans.__('running');
    case 'stopping':
      return trans.__('stopping');
  }
}
