import { Lifetime } from '../generated/panel';
import { deadlineOf, tickOf } from '../lifetime';
import { LIFETIME, NOW } from './worlds';

const HOUR = 3600;

function until(idle: number | null, longest: number | null): Lifetime {
  const ends = [idle, longest].filter((at): at is number => at !== null);
  return {
    ...LIFETIME,
    idle_seconds: idle === null ? null : HOUR,
    idle_stop_at: idle,
    longest_stop_at: longest,
    stop_at: ends.length ? Math.min(...ends) : null
  };
}

describe('deadlineOf', () => {
  it.each([
    ['nothing is known', null, null],
    ['no rule ends it', until(null, null), null],
    [
      'idle comes first',
      until(NOW + 600, NOW + 5 * HOUR),
      { at: NOW + 600, rule: 'idle', keptUntil: NOW + HOUR }
    ],
    [
      'the longest time cuts what is kept',
      until(NOW + 600, NOW + 1200),
      { at: NOW + 600, rule: 'idle', keptUntil: NOW + 1200 }
    ],
    [
      'there is no longest time',
      until(NOW + 600, null),
      { at: NOW + 600, rule: 'idle', keptUntil: NOW + HOUR }
    ],
    [
      'the person was just active',
      until(NOW + HOUR - 5, NOW + 5 * HOUR),
      { at: NOW + HOUR - 5, rule: 'idle', keptUntil: null }
    ],
    [
      'the idle time is short',
      { ...until(NOW + 20, null), idle_seconds: 30 },
      { at: NOW + 20, rule: 'idle', keptUntil: NOW + 30 }
    ],
    [
      'both come at once',
      until(NOW + 600, NOW + 600),
      { at: NOW + 600, rule: 'longest', keptUntil: null }
    ],
    [
      'only the longest time ends it',
      until(null, NOW + 600),
      { at: NOW + 600, rule: 'longest', keptUntil: null }
    ]
  ])('%s', (_, lifetime, expected) => {
    expect(deadlineOf(lifetime, NOW)).toEqual(expected);
  });
});

describe('tickOf', () => {
  it.each([
    [3600, 60],
    [3630, 30],
    [150, 30],
    [125, 5],
    [120, 1],
    [1, 1]
  ])('with %d s left, the text changes in %d s', (left, wait) => {
    expect(tickOf(left)).toBeCloseTo(wait, 0);
  });
});
