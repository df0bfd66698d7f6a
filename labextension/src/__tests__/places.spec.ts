import { homeOf, placeOf } from '../places';
import { ME } from './worlds';

describe('placeOf', () => {
  it.each([
    ['private/a.ipynb', 'survives'],
    ['private', 'survives'],
    ['privateer/a.ipynb', 'lost'],
    ['a.ipynb', 'lost'],
    ['', 'lost'],
    ['shared/student1/a.ipynb', 'survives'],
    ['shared/student2/a.ipynb', 'readOnly'],
    ['collabspace/GW/a.ipynb', 'survives'],
    ['collabspace/a.ipynb', 'lost']
  ])('%s: %s', (path, expected) => {
    expect(placeOf(path, '/af', ME)).toBe(expected);
  });

  it('reads the root with or without its last slash', () => {
    expect(placeOf('cvmfs/a', '/', ME)).toBe('readOnly');
    expect(placeOf('private/a', '/af/', ME)).toBe('survives');
  });

  it.each([
    ['nobody is known', null, '/af'],
    ['no server is known', { ...ME, server: null }, '/af'],
    ['there is no root', ME, '']
  ])('says nothing where %s', (_, me, root) => {
    expect(placeOf('a.ipynb', root, me)).toBeNull();
  });
});

describe('homeOf', () => {
  it.each([
    ['/af', 'private'],
    ['/', 'af/private'],
    ['/elsewhere', '/af/private']
  ])('below %s it is %s', (root, expected) => {
    expect(homeOf(root, ME)).toBe(expected);
  });
});
