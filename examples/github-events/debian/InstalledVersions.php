<?php

declare(strict_types=1);

namespace Composer;

/**
 * What Symfony 6 and later ask composer before they switch a feature on: is this package there for production?
 *
 * Without composer the answer is always the same: no package is one of composer's, so what can be loaded is there
 * on purpose (Symfony takes "not installed by composer" for a yes).
 */
final class InstalledVersions
{
    public static function isInstalled(string $package, bool $includeDevRequirements = true): bool
    {
        return false;
    }
}
