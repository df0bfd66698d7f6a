/**
 * The token in the server, in words.
 */
import { TokenOfMine } from './generated/panel';
import { durationText, ILanguage, IWords, timeText } from './words';

/** With less of its life left than this, something keeps it from being renewed. */
const SHARE = 0.2;

/** How the token is. `isAmber`: somebody should look. */
export interface ITokenWords extends IWords {
  readonly isAmber: boolean;
}

/** Return what a person reads of the token; nothing where there is none to have. */
export function tokenWords(
  token: TokenOfMine | null,
  now: number,
  language: ILanguage
): ITokenWords {
  if (token === null) {
    return { text: '', tooltip: '', isAmber: false };
  }
  const { trans } = language;
  const isAmber = needsLook(token, now);
  return {
    text: shortText(token, now, language),
    tooltip: isAmber
      ? token.problem ||
        trans.__(
          'It should have been renewed by now. Programs that need it may fail soon. Log out at the hub and in again; if that does not help, ask the contact of the facility.'
        )
      : trans.__(
          'Programs find it by BEARER_TOKEN_FILE. It is renewed by itself before %1.',
          timeText(token.expires_at ?? now, now, language)
        ),
    isAmber
  };
}

/** Return whether the token is gone, or was not renewed when it should have been. */
function needsLook(token: TokenOfMine, now: number): boolean {
  const { expires_at: at, lifetime_seconds: life, problem } = token;
  return problem !== '' || at === null || at - now < (life ?? 0) * SHARE;
}

function shortText(
  { expires_at: at }: TokenOfMine,
  now: number,
  language: ILanguage
): string {
  const { trans } = language;
  if (at === null) {
    return trans.__('IAM token: none');
  }
  return at <= now
    ? trans.__('IAM token: expired')
    : trans.__('IAM token: valid %1', durationText(at - now, trans));
}
