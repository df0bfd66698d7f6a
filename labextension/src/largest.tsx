/**
 * The page of what fills a disk. Loaded when it is asked for.
 */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import { TreeOfMine } from './generated/panel';
import { ruleText, usedText } from './disks';
import { troubleText } from './keptwords';
import { Answer, useAnswer } from './parts';
import { IFacilityModel, ILargeEntry, ITreeName } from './tokens';
import { dayText, ILanguage, numberText, sizeText, timeText } from './words';

/** What the page is made of. */
export interface ILargestProps {
  readonly model: IFacilityModel;
  readonly language: ILanguage;
  readonly tree: ITreeName;
}

/** Return a widget that shows what fills a tree. */
export function makeLargestBody(props: ILargestProps): ReactWidget {
  const body = ReactWidget.create(
    <UseSignal signal={props.model.changed}>
      {() => <LargestPage {...props} />}
    </UseSignal>
  );
  body.addClass('jp-af-Kept');
  return body;
}

function LargestPage(props: ILargestProps): JSX.Element {
  const { model, language } = props;
  const { trans } = language;
  const [folder, setFolder] = React.useState('');
  const [said, setSaid] = React.useState('');
  const tree = model.state.storage?.trees.find(
    ({ area, owner }) => area === props.tree.area && owner === props.tree.owner
  );
  if (tree === undefined) {
    return <p role="status">{trans.__('It is not known how full this is.')}</p>;
  }
  return (
    <>
      <h2>{trans.__('What fills %1', tree.path)}</h2>
      <p>
        {usedText(tree, language)} {ruleText(tree, trans)}
      </p>
      <Filling
        {...props}
        tree={tree}
        folder={folder}
        go={setFolder}
        said={said}
        say={setSaid}
      />
    </>
  );
}

/** Draw what fills the tree, below the folder that was gone to. */
function Filling(
  props: ILargestProps & {
    readonly tree: TreeOfMine;
    readonly folder: string;
    readonly said: string;
    go(folder: string): void;
    say(words: string): void;
  }
): JSX.Element {
  const { model, tree, language, folder, go, said, say } = props;
  const { trans } = language;
  const recount = async (): Promise<string> => {
    const { has_begun: hasBegun, again_at: at } =
      await model.disks.recount(tree);
    return hasBegun
      ? trans.__('It is being counted; the new sizes come by themselves.')
      : trans.__(
          'It was counted just now. It is counted again at %1; the new sizes come by themselves.',
          timeText(at, model.now(), language)
        );
  };
  const failed = (error: unknown): void => say(troubleText(error, trans));
  const remove = async (entry: ILargeEntry): Promise<boolean> => {
    if (!(await isMeant(entry, tree, language))) {
      return false;
    }
    try {
      await model.disks.remove(`${inRoot(tree, model)}/${entry.path}`);
    } catch (error) {
      failed(error);
      return false;
    }
    const done = trans.__('Deleted: %1.', entry.path);
    say(done);
    // what was done stays to be read beside what follows from it
    void recount().then(
      words => say(`${done} ${words}`),
      () => undefined
    );
    return true;
  };
  return (
    <>
      <p>
        <button
          className="jp-af-Button"
          onClick={() => void recount().then(say, failed)}
        >
          {trans.__('Count again')}
        </button>{' '}
        <span role="status">{said}</span>
      </p>
      <Way folder={folder} tree={tree} language={language} go={go} />
      <Folder key={`${tree.counted_at} ${folder}`} {...props} remove={remove} />
    </>
  );
}

/** Ask whether a file or folder is to go, with its path and size. */
async function isMeant(
  entry: ILargeEntry,
  tree: TreeOfMine,
  language: ILanguage
): Promise<boolean> {
  const { trans } = language;
  const size = sizeText(entry.used_bytes, language);
  const path = `${tree.path}/${entry.path}`;
  const { button } = await showDialog({
    title: trans.__('Delete for good?'),
    body: entry.is_folder
      ? trans.__(
          'The folder %1 with all that is in it: %2 files, %3. It does not go to a trash.',
          path,
          numberText(entry.files, language),
          size
        )
      : trans.__('The file %1: %2. It does not go to a trash.', path, size),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('Delete') })
    ],
    defaultButton: 0
  });
  return button.accept;
}

/** Return where a tree is, below the server's root. */
function inRoot(tree: TreeOfMine, model: IFacilityModel): string {
  const root = `${model.root.replace(/\/+$/, '')}/`;
  return tree.path.startsWith(root) ? tree.path.slice(root.length) : tree.path;
}

/** Draw the folders on the way to the one that is shown. */
function Way(props: {
  readonly folder: string;
  readonly tree: TreeOfMine;
  readonly language: ILanguage;
  go(folder: string): void;
}): JSX.Element {
  const { folder, tree, language, go } = props;
  const names = folder ? folder.split('/') : [];
  const steps = names.map((name, i) => ({
    name,
    folder: names.slice(0, i + 1).join('/')
  }));
  return (
    <nav aria-label={language.trans.__('Folder')}>
      {[{ name: tree.path, folder: '' }, ...steps].map(step => (
        <React.Fragment key={step.folder}>
          {step.folder && ' / '}
          <button
            className="jp-af-Link"
            aria-current={step.folder === folder}
            onClick={() => go(step.folder)}
          >
            {step.name}
          </button>
        </React.Fragment>
      ))}
    </nav>
  );
}

interface IFolderProps extends ILargestProps {
  readonly folder: string;
  go(folder: string): void;
  remove(entry: ILargeEntry): Promise<boolean>;
}

function Folder(props: IFolderProps): JSX.Element {
  const { model, tree, folder, language } = props;
  const { trans } = language;
  const [gone, setGone] = React.useState<readonly string[]>([]);
  const [answer] = useAnswer(() => model.disks.largest(tree, folder));
  const remove = async (entry: ILargeEntry): Promise<boolean> => {
    const isGone = await props.remove(entry);
    if (isGone) {
      setGone(paths => [...paths, entry.path]);
    }
    return isGone;
  };
  const isThere = ({ path }: ILargeEntry): boolean =>
    !gone.some(at => path === at || path.startsWith(`${at}/`));
  return (
    <Answer answer={answer} language={language} explain={troubleText}>
      {found => (
        <>
          {found.counted_at === null && (
            <p>{trans.__('It has not been counted yet. Count it now.')}</p>
          )}
          <Entries
            {...props}
            title={trans.__('In this folder')}
            entries={found.entries.filter(isThere)}
            remove={remove}
          />
          <Entries
            {...props}
            title={trans.__('The largest files in it and below')}
            entries={found.largest_files.filter(isThere)}
            remove={remove}
          />
        </>
      )}
    </Answer>
  );
}

function Entries(
  props: IFolderProps & {
    readonly title: string;
    readonly entries: readonly ILargeEntry[];
  }
): JSX.Element | null {
  const { entries, title, folder, language, go, remove } = props;
  const { trans } = language;
  if (entries.length === 0) {
    return null;
  }
  return (
    <table className="jp-af-Kept-table">
      <caption>{title}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Name')}</th>
          <th scope="col">{trans.__('Size')}</th>
          <th scope="col">{trans.__('Files')}</th>
          <th scope="col">{trans.__('Changed')}</th>
          <th scope="col">{trans.__('What to do')}</th>
        </tr>
      </thead>
      <tbody>
        {entries.map(entry => (
          <tr key={entry.path}>
            <th scope="row">
              {entry.is_folder ? (
                <button
                  className="jp-af-Link"
                  aria-label={trans.__('Look into %1', entry.path)}
                  onClick={() => go(entry.path)}
                >
                  {nameIn(folder, entry)}/
                </button>
              ) : (
                <code>{nameIn(folder, entry)}</code>
              )}
            </th>
            <td>{sizeText(entry.used_bytes, language)}</td>
            <td>{numberText(entry.files, language)}</td>
            <td>{dayText(entry.modified_at, language)}</td>
            <td>
              <button
                className="jp-af-Button"
                aria-label={trans.__('Delete %1', entry.path)}
                onClick={() => void remove(entry)}
              >
                {trans.__('Delete')}
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function nameIn(folder: string, entry: ILargeEntry): string {
  return folder ? entry.path.slice(folder.length + 1) : entry.path;
}
