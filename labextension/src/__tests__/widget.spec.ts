import { nullTranslator } from '@jupyterlab/translation';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { ProfileModel } from '../model';
import { IUnavailable } from '../tokens';
import { ProfileItem } from '../widget';

const AWAY: IUnavailable = {
  available: false,
  outside: false,
  cause: 'unreachable',
  reason: ''
};

async function attachedItem(): Promise<[ProfileItem, () => number]> {
  let asked = 0;
  const model = new ProfileModel(async () => {
    asked += 1;
    return AWAY;
  });
  const trans = nullTranslator.load('jupyterlab_af');
  const item = new ProfileItem({ model, trans, language: 'en' });
  Widget.attach(item, document.body);
  await model.refresh();
  MessageLoop.flush();
  return [item, () => asked];
}

describe('ProfileItem', () => {
  it('says that the facility is away, and why', async () => {
    const [item] = await attachedItem();
    expect(item.node.textContent).toBe('Facility: not reachable');
    expect(item.node.title).toContain('The facility does not answer.');
    item.dispose();
  });

  it('asks again on a click and when the tab is seen again', async () => {
    const [item, asked] = await attachedItem();
    item.node.click();
    await Promise.resolve();
    expect(asked()).toBe(2);
    await new Promise(resolve => setTimeout(resolve));
    document.dispatchEvent(new Event('visibilitychange'));
    expect(asked()).toBe(3);
    item.dispose();
  });

  it('hears nothing after it was disposed', async () => {
    const [item, asked] = await attachedItem();
    item.dispose();
    document.dispatchEvent(new Event('visibilitychange'));
    item.node.click();
    await new Promise(resolve => setTimeout(resolve));
    expect(asked()).toBe(1);
  });
});
