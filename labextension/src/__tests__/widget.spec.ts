import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { ProfileItem } from '../widget';
import { ENGLISH, FakeModel } from './worlds';

const AWAY = { kind: 'away', cause: 'unreachable', reason: '' } as const;

function attachedItem(model: FakeModel): ProfileItem {
  const open = (): number => model.asked.push('open');
  const item = new ProfileItem({ model, language: ENGLISH, open });
  Widget.attach(item, document.body);
  MessageLoop.flush();
  return item;
}

describe('ProfileItem', () => {
  it('opens the panel on a click', () => {
    const model = new FakeModel();
    const item = attachedItem(model);
    expect(item.node.textContent).toBe('ML-INFN · small');
    item.node.click();
    expect(model.asked).toEqual(['open']);
    item.dispose();
  });

  it('says that the facility is away, and asks again on a click', () => {
    const model = new FakeModel();
    const item = attachedItem(model);
    model.tell({ connection: AWAY });
    MessageLoop.flush();
    expect(item.node.textContent).toBe('Facility: not reachable');
    expect(item.node.title).toContain('The facility does not answer.');
    item.node.click();
    expect(model.asked).toEqual(['retry']);
    item.dispose();
  });

  it('is shown when there is something to say and the person wants it', () => {
    const model = new FakeModel({});
    const item = attachedItem(model);
    let changes = 0;
    item.shownChanged.connect(() => (changes += 1));
    expect(item.isShown).toBe(false);
    model.tell({ connection: AWAY });
    expect(item.isShown).toBe(true);
    item.setWanted(false);
    expect(item.isShown).toBe(false);
    expect(changes).toBe(2);
    item.dispose();
  });

  it('hears nothing after it was disposed', () => {
    const model = new FakeModel();
    const item = attachedItem(model);
    item.dispose();
    item.node.click();
    model.tell({ connection: AWAY });
    expect(model.asked).toEqual([]);
  });
});
