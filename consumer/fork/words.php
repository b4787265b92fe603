<?php

declare(strict_types=1);

namespace Symfony\Component\Console\Input;

use Ebbtide\Fork\Hook;

/**
 * PHP finds this before its own when the console reads its words: after every autoloader has come, before the command
 * is told to anybody.
 *
 * @param mixed[] $words
 *
 * @return mixed
 */
function array_shift(array &$words)
{
    Hook::beFirst();

    return \array_shift($words);
}
