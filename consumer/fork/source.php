<?php

declare(strict_types=1);

namespace Ebbtide\Fork;

/** What a file of PHP does when it is loaded: to declare is safe before a fork, anything else is code that nobody saw. */
final class Source
{
    private const SILENT = [\T_WHITESPACE, \T_COMMENT, \T_DOC_COMMENT, \T_OPEN_TAG];
    private const MODIFIERS = [\T_ABSTRACT, \T_FINAL];
    private const DECLARED = [\T_CLASS, \T_INTERFACE, \T_TRAIT, \T_FUNCTION];
    /** Symfony's and Doctrine's files ask so for what they need to be loaded too: that is looked into as they are. */
    private const LOADING = ['class_exists', 'interface_exists', 'trait_exists', 'class_alias'];
    private const NAMING = [
        \T_STRING, \T_NS_SEPARATOR, \T_DOUBLE_COLON, \T_CLASS, \T_CONSTANT_ENCAPSED_STRING, \T_WHITESPACE,
    ];

    /** @var array<int, array{0: int, 1: string}|string> */
    private $tokens;
    /** @var int */
    private $at = 0;

    private function __construct(string $code)
    {
        $this->tokens = token_get_all($code);
    }

    public static function onlyDeclares(string $file): bool
    {
        $code = \function_exists('token_get_all') ? @file_get_contents($file) : false;

        return false !== $code && (new self($code))->declaresAll();
    }

    private function declaresAll(): bool
    {
        for (; isset($this->tokens[$this->at]); ++$this->at) {
            $kind = $this->tokens[$this->at][0];
            if (\T_USE === $kind) {
                $this->skipTo([';']);
            } elseif (\T_DECLARE === $kind || \T_NAMESPACE === $kind) {
                $this->skipTo([';', '{']); // what is in the braces is looked at
            } elseif (self::is($kind, 'T_ATTRIBUTE')) {
                $this->skipBlock(['[', $kind], ']');
            } elseif (\in_array($kind, self::DECLARED, true) || self::is($kind, 'T_ENUM')) {
                $this->skipTo(['{']);
                $this->skipBlock(['{', \T_CURLY_OPEN, \T_DOLLAR_OPEN_CURLY_BRACES], '}');
            } elseif (\in_array($kind, self::SILENT, true) || \in_array($kind, self::MODIFIERS, true)
                || self::is($kind, 'T_READONLY') || '}' === $kind) {
                continue;
            } elseif ($this->onlyLoads()) {
                $this->skipTo([';']);
            } else {
                return false;
            }
        }

        return true;
    }

    /** Whether a statement begins here that names classes to one function that loads them, and calls nothing else. */
    private function onlyLoads(): bool
    {
        $statement = '';
        $calls = 0;
        for ($at = $this->at; isset($this->tokens[$at]) && ';' !== $this->tokens[$at]; ++$at) {
            [$kind, $text] = \is_array($this->tokens[$at]) ? $this->tokens[$at] : [null, $this->tokens[$at]];
            $calls += '(' === $text;
            if (!\in_array($kind, self::NAMING, true) && !self::is($kind, 'T_NAME_QUALIFIED')
                && !self::is($kind, 'T_NAME_FULLY_QUALIFIED') && !\in_array($text, ['(', ')', ','], true)) {
                return false;
            }
            $statement .= $text;
        }

        return 1 === $calls && \in_array(strtolower(ltrim(strstr($statement, '(', true), '\\')), self::LOADING, true);
    }

    /** @param int|string|null $kind of a token that this PHP may not know */
    private static function is($kind, string $name): bool
    {
        return \defined($name) && \constant($name) === $kind;
    }

    /** @param string[] $ends */
    private function skipTo(array $ends): void
    {
        while (isset($this->tokens[$this->at]) && !\in_array($this->tokens[$this->at], $ends, true)) {
            ++$this->at;
        }
    }

    /** @param array<int, int|string> $opening kinds of tokens */
    private function skipBlock(array $opening, string $closing): void
    {
        $depth = 0;
        for (; isset($this->tokens[$this->at]); ++$this->at) {
            // What has a text has a kind before it, and is no brace by itself.
            $kind = $this->tokens[$this->at][0];
            if (\in_array($kind, $opening, true)) {
                ++$depth;
            } elseif ($closing === $kind && 0 === --$depth) {
                return;
            }
        }
    }
}
