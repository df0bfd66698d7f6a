/**
 * How full my disks are, and what to do about it.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { StorageEvent, TreeOfMine } from './generated/panel';
import { Section } from './parts';
import { IFacilityModel, ITreeName } from './tokens';
import { ILanguage, numberText, sizeText, timeText } from './words';

/** What the part is made of. */
interface IDisksProps {
  readonly model: IFacilityModel;
  readonly language: ILanguage;
  readonly storage: StorageEvent;
  showLargest(tree: ITreeName): void;
}

/** Draw how full each tree is. */
export function Disks(props: IDisksProps): JSX.Element {
  const { storage, language } = props;
  const { trans } = language;
  return (
    <Section title={trans.__('Disk space')}>
      <div role="status">
        {alarmsOf(props).map(words => (
          <p key={words} className="jp-af-Alarm">
            {words}
          </p>
        ))}
      </div>
      <ul className="jp-af-List">
        {storage.trees.map(tree => (
          <Disk key={tree.path} {...props} tree={tree} />
        ))}
      </ul>
    </Section>
  );
}

/** Return what a person must know at once. */
function alarmsOf(props: IDisksProps): string[] {
  const { model, storage, language } = props;
  const { trans } = language;
  const alarms: string[] = [];
  if (storage.volume_is_full) {
    const contact = model.state.me?.facility.contact ?? '';
    alarms.push(
      trans.__(
        'The disk that everybody works on is full. Delete what you no longer need, and tell %1.',
        contact
      )
    );
  }
  if (storage.is_rescue) {
    alarms.push(
      trans.__(
        'This is a rescue server: there was no room left for your home, so it is elsewhere and is lost when the server stops. Your files are in your private area. Delete what you no longer need, then stop the server and start it again.'
      )
    );
  }
  return alarms;
}

function Disk(props: IDisksProps & { readonly tree: TreeOfMine }): JSX.Element {
  const { model, tree, language, showLargest } = props;
  const { trans } = language;
  return (
    <li>
      <code>{tree.path}</code> <FullBadge tree={tree} trans={trans} />
      <Bar tree={tree} language={language} />
      <div>{ruleText(tree, trans)}</div>
      {tree.counted_at !== null && (
        <div className="jp-af-mod-quiet">
          {trans.__(
            'Counted: %1',
            timeText(tree.counted_at, model.now(), language)
          )}
        </div>
      )}
      <button
        className="jp-af-Button"
        aria-label={trans.__('What fills %1', tree.path)}
        onClick={() => showLargest(tree)}
      >
        {trans.__('What fills it')}
      </button>
    </li>
  );
}

function FullBadge(props: {
  readonly tree: TreeOfMine;
  readonly trans: TranslationBundle;
}): JSX.Element | null {
  const { tree, trans } = props;
  switch (tree.fullness) {
    case 'full':
      return (
        <span className="jp-af-Badge jp-mod-warn">{trans.__('full')}</span>
      );
    case 'near':
      return (
        <span className="jp-af-Badge jp-mod-warn">
          {trans.__('nearly full')}
        </span>
      );
    case 'ok':
      return null;
  }
}

function Bar(props: {
  readonly tree: TreeOfMine;
  readonly language: ILanguage;
}): JSX.Element {
  const { tree, language } = props;
  const words = usedText(tree, language);
  if (tree.quota_bytes === null || tree.used_bytes === null) {
    return <div>{words}</div>;
  }
  const share = Math.min(1, tree.used_bytes / Math.max(1, tree.quota_bytes));
  return (
    <div>
      <div
        className={`jp-af-Bar jp-mod-${tree.fullness}`}
        role="meter"
        aria-label={tree.path}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
        aria-valuetext={words}
      >
        <div style={{ width: `${share * 100}%` }} />
      </div>
      {words}
    </div>
  );
}

/** Return how much of a tree's quota is used. */
export function usedText(tree: TreeOfMine, language: ILanguage): string {
  const { trans } = language;
  const { used_bytes: used, quota_bytes: quota } = tree;
  if (used === null) {
    return trans.__('Not counted yet.');
  }
  if (quota === null) {
    return trans.__('%1 used, no limit.', sizeText(used, language));
  }
  return trans.__(
    '%1 of %2 used (%3 %).',
    sizeText(used, language),
    sizeText(quota, language),
    numberText(Math.floor((100 * used) / Math.max(1, quota)), language)
  );
}

/** Return what happens when a tree is full. */
export function ruleText(tree: TreeOfMine, trans: TranslationBundle): string {
  switch (tree.enforced_by) {
    case 'btrfs':
    case 'xfs':
      return trans.__('The disk itself lets nobody save more than that.');
    case 'accounting':
      return tree.kind === 'private'
        ? trans.__(
            'It is counted from time to time; once it is full, only a rescue server starts.'
          )
        : trans.__(
            'It is counted from time to time; once it is full, you are warned.'
          );
    case null:
      return '';
  }
}
